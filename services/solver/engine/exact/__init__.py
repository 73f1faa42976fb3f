"""The exact method "cp-sat": a constraint model of the whole problem, solved by OR-Tools' CP-SAT.

Owns the model, the search on it with its proofs (bound, optimum, infeasibility) and the diagnosis of infeasible
problems. For small problems; the annealing kernels are better on large ones. Works on `ExactModel` only; must not know
the problem's format (`services.solver.compile.exact` translates it), events or logging.
"""
