"""The facts of a game at one moment, and the queries that its texts make on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Fact = tuple[str, ...]
"""The arguments of a fact, which are entity ids. Facts are stored by the name of the predicate."""

Placeholder = tuple[str, str]
"""A name and a type, such as ``("r", "receptacle")``."""

Bindings = Mapping[Placeholder, str]
"""Placeholder -> id of the entity bound to it."""

ROOT_TYPE = "object"
"""The root type of every PDDL domain; ALFRED also uses it for things that can be carried."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One predicate of a query, such as ``inreceptacle(o:object, r:receptacle)``."""

    predicate: str
    placeholders: tuple[Placeholder, ...]


class World:
    """The facts that hold; actions change them through ``add`` and ``remove``."""

    def __init__(self, facts: Mapping[str, Iterable[Fact]], types: Mapping[str, str]) -> None:
        """Start from the facts by predicate; ``types`` maps each entity to its type."""
        self._facts = {predicate: set(held) for predicate, held in facts.items()}
        self._sorted: dict[str, list[Fact]] = {}
        self._types = types

    def __getitem__(self, predicate: str) -> set[Fact]:
        """Return the facts of a predicate; do not change the set."""
        return self._facts.get(predicate, set())

    def holds(self, predicate: str, *arguments: str) -> bool:
        """Return whether a fact is true."""
        return arguments in self._facts.get(predicate, ())

    def add(self, predicate: str, fact: Fact) -> None:
        """Make a fact true."""
        self._facts.setdefault(predicate, set()).add(fact)
        self._sorted.pop(predicate, None)

    def remove(self, predicate: str, fact: Fact) -> None:
        """Make a fact false."""
        self._facts.get(predicate, set()).discard(fact)
        self._sorted.pop(predicate, None)

    def matches(
        self, conditions: Sequence[Condition], bound: Bindings
    ) -> Iterator[dict[Placeholder, str]]:
        """Yield every binding of the placeholders for which all conditions hold.

        Different placeholders are bound to different entities, and bindings come in the order of
        the entities' ids, as in TextWorld's ``State.all_assignments``.
        """
        if not conditions:
            yield dict(bound)
            return
        first, rest = conditions[0], conditions[1:]
        for fact in self._candidates(first, bound):
            extended = self._bind(first.placeholders, fact, bound)
            if extended is not None:
                yield from self.matches(rest, extended)

    def _candidates(self, condition: Condition, bound: Bindings) -> list[Fact]:
        """Return the facts that may satisfy a condition, at most one if everything is bound."""
        if any(placeholder not in bound for placeholder in condition.placeholders):
            return self._in_order(condition.predicate)
        fact = tuple(bound[placeholder] for placeholder in condition.placeholders)
        return [fact] if fact in self[condition.predicate] else []

    def _in_order(self, predicate: str) -> list[Fact]:
        ordered = self._sorted.get(predicate)
        if ordered is None:
            ordered = self._sorted[predicate] = sorted(self._facts.get(predicate, ()))
        return ordered

    def _bind(
        self, placeholders: Sequence[Placeholder], fact: Fact, bound: Bindings
    ) -> dict[Placeholder, str] | None:
        extended = dict(bound)
        for placeholder, entity in zip(placeholders, fact, strict=True):
            known = extended.get(placeholder)
            if known is None:
                if entity in extended.values() or not self._is_of(entity, placeholder[1]):
                    return None
                extended[placeholder] = entity
            elif known != entity:
                return None
        return extended

    def _is_of(self, entity: str, type_name: str) -> bool:
        return type_name in (ROOT_TYPE, self._types[entity])
