import subprocess
import sys
import zlib

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.sokoban.board import MOVES, Board, State
from rllib_gigpo.envs.sokoban.board_image import CELL
from rllib_gigpo.envs.sokoban.levels import Level, make_level
from rllib_gigpo.envs.sokoban.sokoban_env import SokobanEnv
from rllib_gigpo.envs.sokoban.solver import SokobanExpert, _pushes_to_target, solve

ID = "rllib_gigpo.envs:Sokoban-v0"
KINDS = {  # (rows, columns, boxes, moves): number of levels to check
    (6, 6, 1, 15): 150,
    (6, 6, 2, 15): 60,
    (6, 9, 2, 20): 30,
    (8, 8, 2, 30): 30,
    (10, 10, 3, 50): 5,
}


def read(rows):
    """Return the level that the symbols show."""
    signs = dict(enumerate("".join(rows)))

    def cells(wanted):
        return frozenset(cell for cell, sign in signs.items() if sign in wanted)

    board = Board(len(rows), len(rows[0]), walls=cells("#"), targets=cells("O√S"))
    return board, State(min(cells("PS")), cells("X√"))


def env_on(rows, **options):
    """Return an environment in the middle of this level."""
    env = SokobanEnv(layout="compact", **options)
    env.reset(seed=0)
    board, state = read(rows)
    env._start(Level(board, state, ()))
    return env


def levels(kind, number):
    height, width, num_boxes, max_moves = kind
    for seed in range(number):
        yield make_level(seed, height=height, width=width, num_boxes=num_boxes, max_moves=max_moves)


def after_moves(board, state, moves):
    for move in moves:
        state = board.after(state, move)
    return state


def fewest_moves(board, start):
    """Return the length of a shortest solution, by trying every sequence of moves."""
    seen, layer, length = {start}, [start], 0
    while layer:
        if any(board.is_solved(state) for state in layer):
            return length
        following = [board.after(state, move) for state in layer for move in MOVES]
        layer = list(dict.fromkeys(state for state in following if state not in seen))
        seen.update(layer)
        length += 1
    return None


def picture_to_text(observation):
    return f"{observation.shape} {zlib.crc32(observation.tobytes())}"


def test_the_last_box_on_its_target_earns_eleven_less_the_step_and_ends_the_episode():
    env = env_on(["#######", "#PX_O_#", "#######"])
    text, reward, terminated, _, _ = env.step("left")
    assert (text.splitlines()[1], reward, terminated) == ("#PX_O_#", -0.1, False)
    text, reward, terminated, _, _ = env.step("right")
    assert (text.splitlines()[1], reward, terminated) == ("#_PXO_#", -0.1, False)
    text, reward, terminated, truncated, info = env.step("right")
    assert text.splitlines()[1] == "#__P√_#"
    assert reward == pytest.approx(10.9)
    assert (terminated, truncated, info["won"], info["score"]) == (True, False, True, 1.0)
    assert "expert_action" not in info


def test_a_box_earns_one_on_a_target_costs_one_off_it_and_two_boxes_block():
    env = env_on(["#########", "#PXO__XO#", "#########"])
    seen = []
    for _ in range(4):
        text, reward, terminated, _, info = env.step("right")
        assert not terminated
        seen.append((text.splitlines()[1], round(reward, 9), info["score"]))
    assert seen == [
        ("#_P√__XO#", 0.9, 1.0),
        ("#__SX_XO#", -1.1, 0.0),
        ("#__OPXXO#", -0.1, 0.0),
        ("#__OPXXO#", -0.1, 0.0),
    ]


def test_a_box_pushed_from_target_to_target_costs_the_step_only():
    env = env_on(["########", "#P√O_XO#", "########"])
    assert env.step("right")[1] == pytest.approx(-0.1)


def test_all_four_directions_move_by_one_cell():
    env = env_on(["#####", "#__O#", "#_P_#", "#_X_#", "#####"])
    ways = {"up": "#_PO#", "left": "#P_O#", "down": "#P__#", "right": "#_P_#"}
    for move, row in ways.items():
        assert row in env.step(move)[0].splitlines()


def test_the_spaced_layout_sets_every_cell_between_blanks_and_tabs():
    env = SokobanEnv(dim=(5, 6))
    text, info = env.reset(seed=0)
    rows = text.split("\n")
    assert len(rows) == 5
    assert all(len(row.split("\t")) == 6 for row in rows)
    assert rows[0] == "\t".join([" # "] * 6)
    compact, _ = SokobanEnv(dim=(5, 6), layout="compact").reset(seed=0)
    assert text.replace("\t", "").replace(" ", "") == compact
    assert info["anchor"] == text


def test_other_words_cost_a_step_and_are_answered_in_words():
    env = SokobanEnv(max_steps=2)
    start, first = env.reset(seed=0)
    text, reward, terminated, truncated, info = env.step("setup the box")
    assert text == f"That is not a valid action. The actions are: up, down, left, right.\n{start}"
    assert (reward, terminated, truncated) == (-0.1, False, False)
    assert info["anchor"] == first["anchor"] == start
    assert env.step("still")[2:4] == (False, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("up")


def test_case_and_blanks_around_a_word_do_not_matter():
    once, twice = SokobanEnv(), SokobanEnv()
    _, info = once.reset(seed=0)
    twice.reset(seed=0)
    move = info["expert_action"]
    assert once.step(move)[:4] == twice.step(f"  {move.title()}\n")[:4]


def test_coming_back_restores_the_anchor():
    env = env_on(["######", "#P__X#", "#___O#", "######"])
    there = env.step("right")[-1]["anchor"]
    away = env.step("down")[-1]["anchor"]
    assert away != there
    assert env.step("up")[-1]["anchor"] == there


@pytest.mark.parametrize("kind", KINDS)
def test_generated_levels_are_well_formed_and_solved_by_their_own_solution(kind):
    height, width, num_boxes, max_moves = kind
    inside = {row * width + col for row in range(1, height - 1) for col in range(1, width - 1)}
    for level in levels(kind, KINDS[kind]):
        board, start = level.board, level.start
        assert (board.height, board.width) == (height, width)
        assert set(range(height * width)) - inside <= board.walls
        assert len(board.targets) == len(start.boxes) == num_boxes
        assert not (board.targets | start.boxes | {start.player}) & board.walls
        assert not start.boxes & board.targets
        assert start.player not in start.boxes
        assert len(level.solution) <= max_moves
        assert board.is_solved(after_moves(board, start, level.solution))


@pytest.mark.parametrize("kind", KINDS)
def test_the_solver_solves_every_generated_level_in_no_more_moves(kind):
    for level in levels(kind, KINDS[kind]):
        moves = solve(level.board, level.start)
        assert len(moves) <= len(level.solution)
        assert level.board.is_solved(after_moves(level.board, level.start, moves))


@pytest.mark.parametrize("kind", [(6, 6, 1, 15), (6, 6, 2, 20), (7, 7, 2, 25)])
def test_solutions_are_as_short_as_those_of_an_exhaustive_search(kind):
    for level in levels(kind, 12):
        assert len(solve(level.board, level.start)) == fewest_moves(level.board, level.start)


def test_a_dead_level_has_no_solution_and_no_expert():
    dead = ["######", "#X___#", "#_P_O#", "######"]
    board, state = read(dead)
    assert solve(board, state) is None
    assert "expert_action" not in env_on(dead).step("up")[-1]


def test_a_box_at_a_wall_without_target_is_known_to_be_lost_before_any_search():
    board, state = read(["#######", "#P____#", "#_____#", "#__O__#", "#_____#", "#######"])
    target = 24  # in the floor's third row; nothing can be pushed up from its last row
    assert _pushes_to_target(board) == {target: 0, 23: 1, 25: 1, 17: 1, 16: 2, 18: 2}
    assert solve(board, State(state.player, frozenset({31})), max_expansions=0) is None


def test_boxes_that_block_each_other_have_no_solution():
    board, state = read(["#####", "#P_##", "#XX##", "#__O#", "#O_##", "#####"])
    assert (solve(board, state) is None) == (fewest_moves(board, state) is None)
    stuck = read(["######", "#P_###", "##XX##", "##XX##", "#OOOO#", "######"])
    assert solve(*stuck) is None
    assert fewest_moves(*stuck) is None


def test_a_search_gives_up_at_its_bound_and_the_known_solution_serves_the_expert():
    level = make_level(1, height=6, width=6, num_boxes=2, max_moves=15)
    assert solve(level.board, level.start, max_expansions=1) is None
    expert = SokobanExpert(level.board, level.start, level.solution)
    assert expert.suggest(level.start) in MOVES


@pytest.mark.parametrize("options", [{}, {"num_boxes": 2}, {"dim": (8, 8), "max_steps": 30}])
def test_the_expert_wins_within_the_step_limit_on_every_seed(options):
    env = SokobanEnv(**options)
    for seed in range(40):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(info["expert_action"])
            over = terminated or truncated
        assert info["won"]


def test_the_expert_finds_its_way_after_detours_unless_the_state_is_dead():
    rng = np.random.default_rng(0)
    env = SokobanEnv(max_steps=200)
    wins = 0
    for seed in range(30):
        _, info = env.reset(seed=seed)
        for _ in range(4):
            if not info["won"]:
                *_, info = env.step(str(rng.choice(MOVES)))
        while "expert_action" in info:
            *_, info = env.step(info["expert_action"])
        wins += info["won"]
        assert info["won"] or fewest_moves(env._board, env._state) is None
    assert wins > 15


def test_without_an_expert_nothing_is_suggested():
    assert "expert_action" not in SokobanEnv(expert=False).reset(seed=0)[1]


def test_one_seed_is_one_level_in_every_instance_and_another_seed_another_level():
    texts = [SokobanEnv().reset(seed=seed)[0] for seed in range(200)]
    env = SokobanEnv()
    assert [env.reset(seed=seed)[0] for seed in range(200)] == texts
    assert len(set(texts)) > 190


def test_resets_without_a_seed_go_on_from_the_last_seed():
    def two_levels():
        env = SokobanEnv()
        env.reset(seed=5)
        return env.reset()[0], env.reset()[0]

    first, second = two_levels()
    assert first != second
    assert two_levels() == (first, second)


def test_levels_are_the_same_in_every_process():
    code = (
        "import zlib; from rllib_gigpo.envs.sokoban.sokoban_env import SokobanEnv; "
        "env = SokobanEnv(num_boxes=2); play = [env.reset(seed=s) for s in range(20)]; "
        "print(zlib.crc32(repr(play).encode()))"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    env = SokobanEnv(num_boxes=2)
    here = zlib.crc32(repr([env.reset(seed=seed) for seed in range(20)]).encode())
    assert sums == {f"{here}\n"}


def test_the_picture_has_16_pixels_a_cell_and_the_anchor_stays_the_grid():
    env, text_env = SokobanEnv(dim=(6, 8), observation="image"), SokobanEnv(dim=(6, 8))
    picture, info = env.reset(seed=0)
    assert (picture.shape, picture.dtype) == ((6 * CELL, 8 * CELL, 3), np.uint8)
    assert env.observation_space.contains(picture)
    assert info["anchor"] == text_env.reset(seed=0)[1]["anchor"]


def test_a_picture_shows_each_symbol_in_its_own_way_and_in_its_place():
    env = env_on(["#######", "#S√XO_#", "#######"], observation="image")
    row = env._image()[CELL : 2 * CELL]
    cells = {row[:, CELL * i : CELL * (i + 1)].tobytes() for i in range(6)}
    assert len(cells) == 6
    env._state = State(env._state.player + 4, env._state.boxes)
    after = env._image()[CELL : 2 * CELL]
    changed = (row != after).any(axis=(0, 2)).reshape(7, CELL).any(axis=1)
    assert changed.tolist() == [False, True, False, False, False, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": (6,)}, r"dim must be \(rows, columns\)"),
        ({"dim": 6}, r"dim must be \(rows, columns\)"),
        ({"dim": (4, 6)}, r"dim\[0\].*from 5 to 20; got 4"),
        ({"dim": (6, "6")}, r"dim\[1\].*'6'"),
        ({"num_boxes": 4}, "num_boxes.*from 1 to 3; got 4"),
        ({"num_boxes": 3, "max_steps": 3}, "no Sokoban level of 6x6 with 3 boxes.*raise max_steps"),
        ({"max_steps": 0}, "max_steps.*at least 1"),
        ({"observation": "pixels"}, "observation.*'text', 'image'.*'pixels'"),
        ({"expert": "no"}, "expert must be True or False; got 'no'"),
        ({"layout": "html"}, "layout.*'spaced', 'compact'.*'html'"),
    ],
)
def test_mistakes_in_the_options_are_named_with_the_fix(options, message):
    with pytest.raises(ValueError, match=f"{message}(.|\n)*env_config"):
        SokobanEnv(**options)


def test_a_reset_that_finds_no_level_does_not_leave_the_old_one_running(monkeypatch):
    def fail(seed, **kind):
        raise ValueError("no level")

    env = SokobanEnv()
    env.reset(seed=0)
    monkeypatch.setattr("rllib_gigpo.envs.sokoban.sokoban_env.make_level", fail)
    with pytest.raises(ValueError, match="no level"):
        env.reset(seed=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("up")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(MOVES)), max_size=15))
def test_no_text_breaks_the_game(actions):
    env = SokobanEnv(num_boxes=2, max_steps=15)
    env.reset(seed=3)
    for action in actions:
        text, reward, terminated, truncated, info = env.step(action)
        assert text.endswith(info["anchor"])
        assert round(reward, 9) in (-1.1, -0.1, 0.9, 10.9)
        if terminated or truncated:
            break


@pytest.mark.parametrize("action", ["", "\x00\x1b[31m", "up " * 4000, "上", "😀" * 999])
def test_extreme_actions_change_nothing(action):
    env = SokobanEnv()
    _, start = env.reset(seed=0)
    assert env.step(action)[-1]["anchor"] == start["anchor"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"observation": "image"},
        {"dim": [8, 8], "num_boxes": 2, "max_steps": 30, "layout": "compact"},
        {"dim": [10, 10], "num_boxes": 4, "max_steps": 20, "expert": False},
    ],
)
def test_it_keeps_the_contract(options):
    to_text = picture_to_text if "observation" in options else None
    report = check_env(ID, env_config=options, observation_to_text=to_text)
    report.raise_if_broken()
    assert report.expert_wins == (None if options.get("expert") is False else 1.0)
    assert report.recurring_anchors > 0.5
