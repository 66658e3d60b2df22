"""Episodes under way: what is recorded of them, and which of them repeat the start of another."""
