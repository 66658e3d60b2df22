"""Losses as pure functions: packing, log-probabilities, clipped objective, KL, aggregation.

Needs torch and NumPy only.
"""
