"""The score of a purchase, and the comparisons of texts that it needs."""
