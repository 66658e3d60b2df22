"""What suits the machine: the type of the matrix products, and the size of a pass."""
