"""Properties run on the same examples everywhere, and a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("credit", deadline=None, derandomize=True, database=None)
settings.load_profile("credit")
