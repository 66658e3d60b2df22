"""Rules that ask how good states are: by a critic, by what followed them, or by distance."""
