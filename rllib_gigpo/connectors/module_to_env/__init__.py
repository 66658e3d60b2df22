"""Response token ids -> text -> parsed action -> action of the space, one per file."""
