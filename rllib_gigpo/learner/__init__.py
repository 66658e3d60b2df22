"""The update: token rows to gradients to new weights."""
