"""Damaged game files are refused before the interpreter, which would crash on them, opens them."""

import pytest

from rllib_gigpo.envs.common.z_machine_file import check_z_machine_file
from rllib_gigpo.envs.textworld.textworld_games import GameSpec, game_file

UNITS = {1: 2, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 8, 8: 8}


def make_game(version=5, *, size=1024, has_length=True):
    """Return a handmade header and bytes after it: not a game, but a complete file."""
    game = bytearray(size)
    game[0] = version
    for place in (0x06, 0x0A, 0x0C, 0x0E):
        game[place : place + 2] = (256).to_bytes(2, "big")
    game[64:] = bytes(number % 251 for number in range(size - 64))
    if has_length:
        game[0x1A:0x1C] = (size // UNITS[version]).to_bytes(2, "big")
        game[0x1C:0x1E] = (sum(game[64:]) % 2**16).to_bytes(2, "big")
    return game


def check(tmp_path, game):
    path = tmp_path / "game.z5"
    path.write_bytes(bytes(game))
    check_z_machine_file(path)
    return path


@pytest.mark.parametrize("version", UNITS)
@pytest.mark.parametrize("has_length", [True, False])
def test_whole_games_of_all_versions_pass(tmp_path, version, has_length):
    assert check(tmp_path, make_game(version, has_length=has_length)).is_file()


def test_bytes_behind_the_game_do_no_harm(tmp_path):
    assert check(tmp_path, make_game() + b"padding").is_file()


def test_a_game_of_textworlds_compiler_passes_and_its_damaged_copies_do_not(tmp_path):
    pytest.importorskip("textworld")
    spec = GameSpec.create("coin_collector", {"level": 1})
    game = bytearray(game_file(spec, 1, cache_dir=tmp_path).read_bytes())
    check(tmp_path, game)
    with pytest.raises(ValueError, match=r"bytes\. Use a story file"):
        check(tmp_path, game[: len(game) // 2])
    game[5000] ^= 255
    with pytest.raises(ValueError, match="checksum"):
        check(tmp_path, game)


@pytest.mark.parametrize(
    ("game", "fault"),
    [
        (b"", "it has 0 bytes"),
        (b"\x05" * 63, "it has 63 bytes"),
        (bytes(1024), "version, is 0, not 1 to 8"),
        (b"\x09" + bytes(1023), "version, is 9, not 1 to 8"),
        (b"FORM" + bytes(1020), "version, is 70, not 1 to 8"),
        (b"\x05" + bytes(1023), "addresses outside the file"),
        (make_game()[:0x0A] + b"\xff\xff" + make_game()[0x0C:], "addresses outside the file"),
        (make_game()[:1000], "it has 1000 of 1024 bytes"),
        (make_game()[:-1] + b"\xff", "checksum"),
    ],
)
def test_other_files_are_refused_by_name_and_with_the_fix(tmp_path, game, fault):
    with pytest.raises(ValueError, match=fault) as error:
        check(tmp_path, game)
    assert str(tmp_path / "game.z5") in str(error.value)
    assert "Use a story file" in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"There is no game file .*none\.z8"):
        check_z_machine_file(tmp_path / "none.z8")
