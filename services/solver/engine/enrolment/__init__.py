"""The enrolment search: every event fills one period, everybody's events are fixed, and every student's day counts.

Owns the arrays, kernels and driver for post-enrolment course timetabling and any problem of that shape. Must not know
the native problem (`services.solver.compile.enrolment` translates it) nor the other kernels.
"""
