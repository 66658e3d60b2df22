"""The small expressions in ALFWorld's grammar, such as ``o.indefinite + ' ' + o.name``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ATTRIBUTES = ("id", "type", "name", "definite", "indefinite")


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of the game, with the attributes that the grammar uses."""

    id: str  # in the PDDL, such as apple_bar__plus_00_dot_59...
    type: str  # in the PDDL: object, receptacle, location, agent, otype or rtype
    name: str  # as shown to the player, such as apple 1
    definite: str = "the"
    indefinite: str = "a"

    def __str__(self) -> str:
        """Return the name, because an expression may consist of an entity alone."""
        return self.name


Value = str | Entity
Expression = Callable[[Mapping[str, Entity]], Value]


def compile_expression(source: str) -> Expression:
    """Return a function that computes the expression's value from the bound entities.

    Only names, their attributes, strings, ``+`` and ``or`` are allowed: the original engine runs
    any Python, but a data file should not be able to do that.

    Raises:
        ValueError: The source contains anything else.
    """
    try:
        return _compile(ast.parse(source.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"the grammar's expression {source!r} cannot be read: {error}") from error


def _compile(node: ast.expr) -> Expression:
    match node:
        case ast.Constant(value=str() as text):
            return lambda bound: text
        case ast.Name(id=name):
            return lambda bound: bound[name]
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _ATTRIBUTES:
            return lambda bound: getattr(bound[name], attribute)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _compile(left), _compile(right)
            return lambda bound: f"{first(bound)}{second(bound)}"
        case ast.BoolOp(op=ast.Or(), values=values):
            choices = [_compile(value) for value in values]
            return lambda bound: next(
                (value for choice in choices[:-1] if (value := choice(bound))), choices[-1](bound)
            )
    raise ValueError(f"the grammar's expression {ast.unparse(node)!r} is not supported")
