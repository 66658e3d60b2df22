"""Building blocks of settings: variants by name, records of options, sections of fields.

Nothing here knows a specific setting. `section` and `merge` need pydantic; `records` and `registry`
import it only when pydantic calls them, so credit, losses and models run without it.
"""
