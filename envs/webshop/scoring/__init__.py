"""The score of a purchase, and the text comparisons that it needs."""
