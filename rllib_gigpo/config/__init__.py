"""The settings of a run: their definitions (`sections`) and their setters (`gigpo_config`)."""
