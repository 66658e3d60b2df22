"""Made-up variants, records of options and a section, to test the `options` package."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from rllib_gigpo.options.records import Options, require
from rllib_gigpo.options.registry import Registry
from rllib_gigpo.options.section import Section, setting


class Shape(ABC):
    name: ClassVar[str]

    @abstractmethod
    def area(self): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink(Options):
    color: Literal["black", "red"] = "black"
    opacity: float = 1.0

    def __post_init__(self):
        require(self, opacity="> 0, <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Square(Shape):
    name: ClassVar[str] = "square"

    side: float = 1.0
    rounded: bool = False
    ink: Ink | None = None
    scale: float = 1.0

    def __post_init__(self):
        require(self, side="> 0")

    def area(self):
        return (self.scale * self.side) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangle(Shape):
    name: ClassVar[str] = "rectangle"

    width: float
    height: float = 2.0

    def area(self):
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class FunctionShape(Shape):
    name: ClassVar[str] = "function"

    function: Callable[[], float]
    times: int = field(default=1, kw_only=True)

    def area(self):
        return self.times * self.function()


SHAPES = Registry("shape", Shape, (Square, Rectangle), given=("scale", "unit"), wrap=FunctionShape)
# Takes no functions, and fills nothing.
CLASSES_ONLY = Registry("solid", Shape, (Square, Rectangle))


class Unchecked:
    """A type that pydantic does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine(Shape):
    """A user's shape."""

    name: ClassVar[str] = "mine"

    part: Unchecked
    side: float = 1.0

    def area(self):
        return self.side


class Plain(Shape):
    """A user's shape that is not a dataclass."""

    name = "plain"

    def __init__(self, side=1.0, *, scale=1.0):
        self.side, self.scale = side, scale

    def area(self):
        return self.scale * self.side


def blob():
    return 5.0


NUMBER = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen(Options):
    short: ClassVar[str | None] = "tip"
    can_be_true: ClassVar[bool] = True

    tip: Literal["round", "flat"] = "round"
    width: float = 1.0
    num_strokes: int = 1
    ink: Ink | None = None

    def __post_init__(self):
        require(self, width="> 0", num_strokes=">= 1")


class Drawing(Section):
    scale: float = setting(1.0, "Of all lengths.")
    shape: Annotated[Shape, SHAPES] = setting("square", "What is drawn.")
    pen: Pen = setting({}, "What it is drawn with.")
    paper: Ink | None = setting(None, "Its color; None for white.")
