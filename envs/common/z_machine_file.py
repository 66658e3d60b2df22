"""A check that a file is a complete Z-machine game; any other makes the interpreter exit."""

from __future__ import annotations

from pathlib import Path

_HEADER_BYTES = 64
_VERSION, _START, _LENGTH, _CHECKSUM = 0x00, 0x06, 0x1A, 0x1C
_TABLES = (0x0A, 0x0C, 0x0E)  # objects, global variables, static memory
_LENGTH_UNITS = {1: 2, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 8, 8: 8}


def check_z_machine_file(path: Path) -> None:
    """Check that a game file is safe to open with Frotz, which calls ``exit`` on a corrupt one.

    The header (Z-Machine Standards 1.1, section 11) holds the version, the length of the game in
    units of 2, 4 or 8 bytes, and the sum of all bytes after the header. Games from the oldest
    compilers leave the length and the sum at 0.

    Raises:
        ValueError: The file is missing, truncated, damaged, or of another kind.
    """
    if not path.is_file():
        raise ValueError(f"There is no game file {str(path)!r}. Check the path.")
    fault = _fault(path.read_bytes())
    if fault:
        raise ValueError(
            f"{str(path)!r} is not a complete Z-machine game: {fault}. Use a story file (.z1 to "
            ".z8), or download, unpack or generate this one again."
        )


def _fault(game: bytes) -> str | None:
    if len(game) < _HEADER_BYTES:
        return f"it has {len(game)} bytes, but the header alone has {_HEADER_BYTES}"
    version = game[_VERSION]
    if version not in _LENGTH_UNITS:
        return f"its first byte, the version, is {version}, not 1 to 8"
    places = _TABLES if version == 6 else (_START, *_TABLES)  # version 6 packs the start address
    if not all(_HEADER_BYTES <= _word(game, place) < len(game) for place in places):
        return "its header has addresses outside the file"
    length = _word(game, _LENGTH) * _LENGTH_UNITS[version]
    if length > len(game):
        return f"it has {len(game)} of {length} bytes"
    if length and sum(game[_HEADER_BYTES:length]) % 2**16 != _word(game, _CHECKSUM):
        return "its bytes do not add up to the checksum in its header"
    return None


def _word(game: bytes, at: int) -> int:
    return int.from_bytes(game[at : at + 2], "big")
