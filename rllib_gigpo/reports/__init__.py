"""What people read of a run and of its settings."""
