"""Commands that serve something until they are interrupted, and how they listen."""
