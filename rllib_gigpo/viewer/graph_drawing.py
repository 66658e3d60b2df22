"""The templates of the pages, and the drawing of a graph alone: for a notebook or a document."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

from rllib_gigpo.viewer.state_graph import StateGraph

ASSETS = Path(__file__).parent / "assets"
_TEMPLATES = Path(__file__).parent / "templates"


def page_templates() -> jinja2.Environment:
    """Return the templates; what they are given is escaped."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["number"] = number_text
    return found


def number_text(value: float | None) -> str:
    """Write a number with three digits; "–" if there is none."""
    return "–" if value is None else f"{value:.3g}"


def svg(graph: StateGraph) -> str:
    """Draw a graph of states as an SVG document, in light colours.

    ``IPython.display.SVG(svg(graph))`` shows it in a notebook.
    """
    style = (ASSETS / "drawing.css").read_text(encoding="utf-8")
    light = re.sub(r"light-dark\((.*?), .*?\)", r"\1", style).replace("light dark", "light")
    return page_templates().get_template("graph.svg.jinja").render(graph=graph, style=light)
