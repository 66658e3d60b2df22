"""A reader for fields of catalogue records, with errors that name file, product and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...common.clean_text import valid_text


class CatalogueError(ValueError):
    """A catalogue file that is missing, broken, or lacks a field."""


@dataclass(frozen=True, slots=True)
class FieldReader:
    """A reader of one record; every method raises a CatalogueError if a field is not as expected.

    Attributes:
        record: A JSON object.
        where: The file and the product, for error messages.
    """

    record: Mapping[str, Any]
    where: str

    def value(self, field: str) -> Any:
        """Return a required field."""
        if not isinstance(self.record, Mapping):
            raise CatalogueError(
                f"{self.where}: expected an object with fields, got {type(self.record).__name__}. "
                "Repair the file, or use WebShop's own."
            )
        if field not in self.record:
            raise self.error(field, "is missing")
        return self.record[field]

    def text(self, field: str) -> str:
        """Return a required field that must be text."""
        value = self.value(field)
        if not isinstance(value, str):
            raise self.error(field, f"is {type(value).__name__}, not text")
        return valid_text(value)

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a required field that must be a list of strings."""
        values = self.value(field)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.error(field, "is not a list of strings")
        return tuple(map(valid_text, values))

    def error(self, field: str, complaint: str) -> CatalogueError:
        """Return an error about a field."""
        return CatalogueError(
            f"{self.where}: field {field!r} {complaint}. Repair the file, or use WebShop's own."
        )
