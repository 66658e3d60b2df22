"""The kit that settings are made of: variants by name, records of options, sections of fields.

Nothing here knows a setting. `section` needs pydantic, the other files need it where pydantic calls
them only, so that credit, losses and models run without it.
"""
