"""Losses as pure functions: packing, log-probabilities, clipped objective, KL, aggregation.

Only torch and NumPy are needed.
"""
