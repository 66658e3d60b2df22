"""A MiniGrid agent's view in words."""

from __future__ import annotations

from typing import Any

_UNSEEN, _EMPTY, _WALL, _FLOOR = 0, 1, 2, 3
_DOOR = 4
_DOOR_STATES = ("open", "closed", "locked")


def describe_view(image: Any, objects: Any, colours: Any) -> str:
    """Describe all objects in view and their positions, nearest first.

    Args:
        image: (W, H, 3) uint8 of (object, colour, state); the agent is at (W // 2, H - 1) and looks
            along decreasing y.
        objects: Object names by index.
        colours: Colour names by index.
    """
    width, height, _ = image.shape
    seen = []
    for x in range(width):
        for y in range(height):
            kind, colour, state = (int(value) for value in image[x, y])
            ahead, right = height - 1 - y, x - width // 2
            if kind in (_UNSEEN, _EMPTY, _WALL, _FLOOR) or (ahead, right) == (0, 0):
                continue
            name = f"{colours[colour]} {objects[kind]}"
            if kind == _DOOR:
                name = f"{_DOOR_STATES[state]} {name}"
            article = "an" if name.startswith("open") else "a"
            seen.append((ahead + abs(right), f"{article} {name} {_where(ahead, right)}"))
    front = int(image[width // 2, height - 2, 0])
    things = "; ".join(text for _, text in sorted(seen)) or "nothing but floor and walls"
    return f"You see {things}." + (" A wall is right ahead." if front == _WALL else "")


def _where(ahead: int, right: int) -> str:
    parts = [f"{ahead} ahead"] if ahead else []
    if right:
        parts.append(f"{abs(right)} to the {'right' if right > 0 else 'left'}")
    return " and ".join(parts)
