"""Whether an environment keeps the contract: what `check_env` plays, measures and reports."""
