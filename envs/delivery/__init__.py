"""A parcel to carry to a door, with more steps than that takes."""
