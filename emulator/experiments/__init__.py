"""`lasermesh experiment`: claims about constellations, predicted by formula and emulated.

A claim is a module of :mod:`emulator.experiments.claims` with one :class:`~base.Experiment`. What
is predicted comes from closed forms (``formulas.py``) and the scenario's figures alone; what is
measured comes from runs (real packets) and, where a claim is about days, from the plan.
"""
