"""Makes property tests deterministic and independent of the machine's speed."""

from hypothesis import settings

settings.register_profile("credit", deadline=None, derandomize=True, database=None)
settings.load_profile("credit")
