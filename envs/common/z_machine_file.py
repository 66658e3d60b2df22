"""Is a file a whole Z-machine game? The interpreter ends the process where it is not."""

from __future__ import annotations

from pathlib import Path

_HEADER_BYTES = 64
_VERSION, _START, _LENGTH, _CHECKSUM = 0x00, 0x06, 0x1A, 0x1C
_TABLES = (0x0A, 0x0C, 0x0E)  # objects, global variables, static memory
_LENGTH_UNITS = {1: 2, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 8, 8: 8}


def check_z_machine_file(path: Path) -> None:
    """Make sure that a game file can be given to Frotz, which calls ``exit`` on a corrupt one.

    The header (Z-Machine Standards 1.1, section 11) holds the version, the length of the game in
    units of 2, 4 or 8 bytes, and the sum of all its bytes behind the header. Games of the oldest
    compilers leave length and sum at 0.

    Raises:
        ValueError: The file is missing, cut short, damaged, or of another kind.
    """
    if not path.is_file():
        raise ValueError(f"There is no game file {str(path)!r}: mend the path.")
    fault = _fault(path.read_bytes())
    if fault:
        raise ValueError(
            f"{str(path)!r} is no whole Z-machine game: {fault}. Give a story file (.z1 to .z8), "
            "or download, unpack or make this one again."
        )


def _fault(game: bytes) -> str | None:
    if len(game) < _HEADER_BYTES:
        return f"it has {len(game)} bytes, and the header alone has {_HEADER_BYTES}"
    version = game[_VERSION]
    if version not in _LENGTH_UNITS:
        return f"its first byte, the version, is {version} and not 1 to 8"
    places = _TABLES if version == 6 else (_START, *_TABLES)  # there, the start is packed
    if not all(_HEADER_BYTES <= _word(game, place) < len(game) for place in places):
        return "its header names places that are not in the file"
    length = _word(game, _LENGTH) * _LENGTH_UNITS[version]
    if length > len(game):
        return f"it has {len(game)} of {length} bytes"
    if length and sum(game[_HEADER_BYTES:length]) % 2**16 != _word(game, _CHECKSUM):
        return "its bytes do not add up to the checksum in its header"
    return None


def _word(game: bytes, at: int) -> int:
    return int.from_bytes(game[at : at + 2], "big")
