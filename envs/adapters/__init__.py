"""Thin adapters to environments from other packages, one small file each."""
