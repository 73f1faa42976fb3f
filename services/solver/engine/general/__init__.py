"""The general search: weeks, patterns, travel, every distribution type, student sectioning.

Owns the method "general-annealing" (simulated annealing with exact deltas, ejection chains and student moves). Works on
the arrays of `GeneralModel` only; must not know the problem's format, JSON, logging or how a solve is started.
"""
