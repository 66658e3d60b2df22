"""Losses as pure functions: log-probabilities, clipped objective, KL, aggregation.

Only torch and NumPy are needed.
"""
