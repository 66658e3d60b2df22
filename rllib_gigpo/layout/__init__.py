"""Layouts: how token rows become the micro-batches of a forward pass."""
