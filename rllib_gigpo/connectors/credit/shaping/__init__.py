"""Connectors that change what steps are paid, or whether they count, before credit is assigned."""
