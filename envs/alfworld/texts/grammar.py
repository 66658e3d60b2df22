"""ALFWorld's texts: its grammar, parsed once by TextWorld and then evaluated without copying.

TextWorld's own code parses every command again and deep-copies contexts at each symbol, which takes
nine tenths of a step. This module walks the same parsed symbols and makes the same queries, so the
texts are the same character by character (a test compares them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..backend import ALFWORLD_LOCK
from ..world import Bindings, Condition, World
from .expressions import Entity, Expression, compile_expression

_TASK = re.compile(r'(?<=Your task is to: )(?:[^"\\\n]|\\.)*(?=")')
_TASK_RULE = "task"
_NEEDED_RULES = frozenset({"intro", "list_empty", "list_separator", "list_last_separator"})


@dataclass(frozen=True, slots=True)
class SymbolReference:
    """``#name#``: the text of a rule."""

    name: str


@dataclass(frozen=True, slots=True)
class Each:
    """``{item | conditions}``: the item's text, once for every binding that fits the conditions."""

    item: Expression | SymbolReference
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """``[each]``: the same texts, joined with commas and "and"."""

    each: Each


Symbol = str | SymbolReference | Each | Enumeration


@dataclass(frozen=True, slots=True)
class Rule:
    """A text and the conditions under which it applies."""

    conditions: tuple[Condition, ...]
    text: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class ActionTexts:
    """The texts of an action."""

    command: tuple[Symbol, ...]
    answer: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The context of a symbol: the world, its entities by id, and the bindings."""

    world: World
    entities: Mapping[str, Entity]
    bound: Bindings

    def ways(self, conditions: tuple[Condition, ...]) -> Iterator[Scope]:
        """Yield this scope extended by every binding for which the conditions hold."""
        for bound in self.world.matches(conditions, self.bound):
            yield Scope(self.world, self.entities, bound)

    def value(self, expression: Expression) -> str:
        """Return the text of an expression over the bound entities."""
        return str(
            expression({name: self.entities[entity] for (name, _), entity in self.bound.items()})
        )


class Grammar:
    """The texts of one game.

    Attributes:
        actions: Name of an action in the PDDL -> its texts.
        task: The task, such as "put some cloth on toilet.".
    """

    def __init__(self, source: str) -> None:
        """Parse a game's ``grammar``.

        Raises:
            ValueError: It cannot be read, or names no task.
        """
        found = _TASK.search(source)
        if found is None:
            raise ValueError('the grammar has no sentence "Your task is to: ..."')
        self.task = str(json.loads(f'"{found[0]}"'))
        # Without the task, the grammars of most games are equal and are parsed only once.
        self.actions, rules = _parse(_TASK.sub("", source))
        self._rules = {**rules, _TASK_RULE: (Rule((), (f"Your task is to: {self.task}",)),)}
        missing = _NEEDED_RULES.union(*map(_references, self._texts())) - set(self._rules)
        if missing:
            raise ValueError(f"the grammar lacks the rules {', '.join(sorted(missing))}")

    def predicates(self, action: str) -> set[str]:
        """Return the predicates that the command of an action depends on."""
        symbols = self.actions[action].command
        eaches = [s.each if isinstance(s, Enumeration) else s for s in symbols]
        conditions = [c for each in eaches if isinstance(each, Each) for c in each.conditions]
        return {condition.predicate for condition in conditions}

    def text(self, symbols: tuple[Symbol, ...], scope: Scope) -> str:
        """Return the text of the symbols in a scope."""
        return "".join(self._say(symbol, scope) for symbol in symbols)

    def rule_text(self, name: str, scope: Scope) -> str:
        """Return the text of the first rule of this name whose conditions hold."""
        for rule in self._rules[name]:
            if not rule.conditions or any(scope.ways(rule.conditions)):
                return self.text(rule.text, scope)
        return ""

    def _texts(self) -> Iterator[tuple[Symbol, ...]]:
        for action in self.actions.values():
            yield from (action.command, action.answer)
        for alternatives in self._rules.values():
            yield from (rule.text for rule in alternatives)

    def _say(self, symbol: Symbol, scope: Scope) -> str:
        match symbol:
            case str():
                return symbol
            case SymbolReference(name=name):
                return self.rule_text(name, scope)
            case Each():
                return "".join(self._items(symbol, scope))
            case Enumeration(each=each):
                return self._enumerate(list(self._items(each, scope)), scope)

    def _items(self, each: Each, scope: Scope) -> Iterator[str]:
        for way in scope.ways(each.conditions):
            if isinstance(each.item, SymbolReference):
                yield self.rule_text(each.item.name, way)
            else:
                yield way.value(each.item)

    def _enumerate(self, items: list[str], scope: Scope) -> str:
        if not items:
            return self.rule_text("list_empty", scope)
        if len(items) == 1:
            return items[0]
        separator = self.rule_text("list_separator", scope)
        last_separator = self.rule_text("list_last_separator", scope)
        return separator.join(items[:-1]) + last_separator + items[-1]


Parsed = tuple[dict[str, ActionTexts], dict[str, tuple[Rule, ...]]]


@lru_cache(maxsize=8)
def _parse(source: str) -> Parsed:
    """Parse a grammar with TextWorld's parsers and keep what evaluating it needs."""
    with ALFWORLD_LOCK:
        try:
            return _read(source)
        except Exception as error:  # from tatsu, JSON, or anything that its semantics raise
            raise ValueError(
                f"the grammar cannot be read: {type(error).__name__}: {str(error)[:200]}"
            ) from error


def _read(source: str) -> Parsed:
    from textworld.envs.pddl.logic import GameLogic

    logic = GameLogic(domain="", grammar=source)
    actions = {
        name: ActionTexts(_symbols_of(action.template), _symbols_of(action.feedback_rule))
        for name, action in logic.actions.items()
    }
    rules = {
        name: tuple(
            Rule(_conditions(rule.condition), tuple(map(_convert, rule.rhs)))
            for rule in alternatives
        )
        for name, alternatives in logic.grammar._rules.items()
    }
    return actions, rules


def _symbols_of(text: str) -> tuple[Symbol, ...]:
    from textworld.envs.pddl.textgen import _parse_and_convert

    return tuple(map(_convert, _parse_and_convert(text, rule_name="symbols")))


def _convert(symbol: Any) -> Symbol:
    """Turn one of TextWorld's parsed symbols into one of ours, with all its texts parsed."""
    from textworld.envs.pddl import textgen

    match symbol:
        case textgen.TerminalSymbol():
            return str(symbol)
        case textgen.NonterminalSymbol():
            return SymbolReference(symbol.symbol)
        case textgen.ConditionalSymbol(expression=expression, given=given):
            if isinstance(expression, textgen.NonterminalSymbol):
                return Each(SymbolReference(expression.symbol), _conditions(given))
            return Each(compile_expression(expression.expression), _conditions(given))
        case textgen.ListSymbol():
            each = _convert(symbol.symbol)
            if isinstance(each, Each):
                return Enumeration(each)
    raise ValueError(f"the grammar contains an unsupported symbol: {symbol!r}")


def _references(text: tuple[Symbol, ...]) -> Iterator[str]:
    """Yield the names of the rules that a text refers to."""
    for symbol in text:
        inner = symbol.each if isinstance(symbol, Enumeration) else symbol
        item = inner.item if isinstance(inner, Each) else inner
        if isinstance(item, SymbolReference):
            yield item.name


def _conditions(source: str | None) -> tuple[Condition, ...]:
    if not source:
        return ()
    from textworld.logic import Rule as Query

    return tuple(
        Condition(
            predicate.signature.name,
            tuple((placeholder.name, placeholder.type) for placeholder in predicate.parameters),
        )
        for predicate in Query.parse_conjunctive_query(source).preconditions
    )
