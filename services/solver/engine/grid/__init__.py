"""The period-grid search: every meeting fills one period, so a timetable puts lectures into (period, room) places.

Owns the arrays, kernels and driver for curriculum-based course timetabling and any problem of that shape. Must not know
the native problem (`services.solver.compile.grid` translates it) nor the general kernel.
"""
