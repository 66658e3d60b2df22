"""Thin adapters to environments of other packages, one small file each."""
