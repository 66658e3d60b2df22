"""Every setting of a run: what each is (`sections`), and how a user sets them (`gigpo_config`)."""
