"""The checks behind ``check_env``: whether an environment keeps the contract."""
