"""The settings of a retrieval service: addresses, request shape, time limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from .protocol import REQUEST_SHAPES


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The settings of a retrieval service.

    Attributes:
        url: Address of the service with its path, such as "http://127.0.0.1:8000/retrieve", or
            several addresses, which take turns.
        request_shape: "queries" (Search-R1: a list) or "query" (verl-agent, SkyRL: one string).
        request_timeout_s: Time limit of one attempt, at most ``search_timeout_s``.
        search_timeout_s: Time limit of one search with all its attempts and pauses.
        max_attempts: Attempts per search, at least 1.
    """

    url: str | tuple[str, ...]
    request_shape: str = "queries"
    request_timeout_s: float = 10.0
    search_timeout_s: float = 30.0
    max_attempts: int = 4

    def __post_init__(self) -> None:
        """Check every value."""
        if not self.urls or not all(map(_is_http, self.urls)):
            raise ValueError(
                f"The retriever's url is {self.url!r}. Use an address such as "
                '"http://127.0.0.1:8000/retrieve", or a list of addresses.'
            )
        if self.request_shape not in REQUEST_SHAPES:
            raise ValueError(
                f"The retriever's request_shape is {self.request_shape!r}. "
                f"Use one of {', '.join(map(repr, REQUEST_SHAPES))}."
            )
        for name in ("request_timeout_s", "search_timeout_s"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"The retriever's {name} is {value!r}. Use seconds above 0.")
        if self.request_timeout_s > self.search_timeout_s:
            raise ValueError(
                f"The retriever's request_timeout_s={self.request_timeout_s} is more than its "
                f"search_timeout_s={self.search_timeout_s}, which limits a search with all its "
                "attempts. Raise the second or lower the first."
            )
        if type(self.max_attempts) is not int or self.max_attempts < 1:
            raise ValueError(
                f"The retriever's max_attempts is {self.max_attempts!r}. Use 1 or more."
            )

    @classmethod
    def create(cls, options: Mapping[str, Any]) -> HttpSettings:
        """Make settings from plain values.

        Raises:
            ValueError: An option is unknown, missing, or out of range.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(options, Mapping) or not {"url"} <= set(options) <= set(known):
            raise ValueError(
                f"retriever is {options!r}. Use a dict with url and optionally "
                f"{', '.join(known[1:])}."
            )
        url = options["url"]
        return cls(**{**options, "url": tuple(url) if isinstance(url, list) else url})

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses as a tuple, even if there is only one."""
        return self.url if isinstance(self.url, tuple) else (self.url,)


def _is_http(url: object) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number
        return False
