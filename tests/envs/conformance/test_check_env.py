import math
import random
import subprocess
import sys
import threading
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rllib_gigpo.cli.main import main
from rllib_gigpo.envs import EnvReport, check_env
from rllib_gigpo.envs.conformance.contract_checks import recurring_anchors, remarks
from rllib_gigpo.envs.conformance.env_probe import Episode, Turn, memory_per_copy
from rllib_gigpo.envs.corridor import CorridorEnv

CORRIDOR = "rllib_gigpo.envs:Corridor-v0"


class Flawed(CorridorEnv):
    """A corridor with one flaw, chosen by the configuration."""

    def __init__(self, config):
        super().__init__()
        self.flaw = config.get("flaw")
        if self.flaw == "space":
            self.action_space = spaces.Box(0, 1)

    def reset(self, *, seed=None, options=None):
        text, info = super().reset(seed=None if self.flaw == "seed" else seed, options=options)
        return self._distort(text), self._distort_info(info)

    def step(self, action):
        if self.flaw == "raises" and action not in ("go left", "go right"):
            raise KeyError(action)
        text, reward, terminated, truncated, info = super().step(action)
        rewards = {"nan": float("nan"), "text_reward": "1", "huge": 1e308}
        reward = rewards.get(self.flaw, reward)
        if self.flaw == "flag":
            terminated = int(terminated)
        if self.flaw == "endless":
            terminated = truncated = False
            self._is_running = True
        if self.flaw == "old API":
            return text, reward, terminated, {}
        if self.flaw == "list":
            return text, reward, terminated, truncated, [info]
        return self._distort(text), reward, terminated, truncated, self._distort_info(info)

    def _distort(self, text):
        if self.flaw == "random":
            return f"{text} It is {random.random()} o'clock."
        return 3 if self.flaw == "number" else text

    def _distort_info(self, info):
        changes = {
            "won": {"won": "no"},
            "constant": {"anchor": "you are here"},
            "numpy": {"won": np.bool_(info["won"]), "score": np.float32(0)},
            "anchor": {"anchor": np.zeros(2)},
            "actions": {"admissible_actions": ["go left", "go left"]},
            "empty": {"admissible_actions": ["go left", ""]},
            "letters": {"admissible_actions": "go left"},
            "odd": {"admissible_actions": [None, 3]},
            "nan_anchor": {"anchor": ("room", float("nan"))},
            "lock": {"lock": threading.Lock()},
            "none": {"admissible_actions": None, "won": None, "anchor": None},
            "some_roles": {"role": "left-goer"} if self._num_steps % 2 else {},
            "role_number": {"role": 1},
            "strangers": {"role": "walker", "role_rewards": {"wlaker": 1.0}},
            "roles": {"role": f"walker {self._num_steps % 2}"},
        }
        if self.flaw == "alias":
            info["success"] = info.pop("won")
        return info | changes.get(self.flaw, {})


def test_a_sound_environment_has_no_problems():
    report = check_env(CORRIDOR, env_config={"length": 5})
    assert isinstance(report, EnvReport)
    assert report.problems == report.notes == ()
    assert report.is_ok
    assert report.expert_wins == 1.0
    assert set(report.info_shares.values()) == {1.0}
    assert report.steps_per_s > 100
    report.raise_if_broken()


def test_random_play_is_counted_by_hand():
    # Eight episodes, two replays of each of two seeds, and the expert on two seeds.
    report = check_env(CORRIDOR, num_episodes=8, max_steps=1)
    assert report.num_episodes == 8 + 4 + 2
    assert report.num_steps == 14
    # One step each: all four of a seed start at one anchor.
    assert report.recurring_anchors == 1.0


@pytest.mark.parametrize(
    ("flaw", "complaint"),
    [
        ("space", r"action_space is Box.*Discrete"),
        ("seed", r"same seed \([01]\) and actions give a different .*np_random"),
        ("random", r"a different observation in the same instance at step 0"),
        ("number", r"observation of reset\(\) is int, not text.*observation_to_text"),
        ("raises", r"step\(''\).*raised KeyError"),
        ("nan", r"a reward is nan"),
        ("text_reward", r"a reward is '1' \(str\)"),
        ("flag", r"terminated is int, not bool"),
        ("won", r"info\['won'\] is str, not bool"),
        ("anchor", r"unhashable ndarray.*tobytes"),
        ("actions", r"lists 'go left' twice"),
        ("empty", r"info\['admissible_actions'\] contains ''"),
        ("letters", r"info\['admissible_actions'\] is str, not list or tuple"),
        ("odd", r"info\['admissible_actions'\] contains None"),
        ("nan_anchor", r"NaN equals nothing"),
        ("lock", r"info\['lock'\] \(lock\) cannot be sent"),
        ("huge", r"a reward is 1e\+308"),
        ("some_roles", r"info\['role'\] is missing in a response of reset\(\).*in none"),
        ("role_number", r"info\['role'\] is int, not str"),
        ("old API", r"step\(\) returned 4 values"),
        ("list", r"info is list, not dict"),
    ],
)
def test_each_flaw_is_named_with_its_fix(flaw, complaint):
    report = check_env(Flawed, env_config={"flaw": flaw})
    assert not report.is_ok
    with pytest.raises(ValueError, match=complaint):
        report.raise_if_broken()


@pytest.mark.parametrize(
    ("flaw", "note"),
    [
        ("endless", "no episode ended within 100 random steps"),
        ("alias", "info has 'success', which is ignored; rename it to 'won'"),
        ("constant", "the anchor never changes, although observations do"),
        ("strangers", "info['role_rewards'] pays 'wlaker', who never acted"),
    ],
)
def test_what_slows_learning_is_noted_and_is_no_problem(flaw, note):
    report = check_env(Flawed, env_config={"flaw": flaw})
    assert report.is_ok
    assert any(note in found for found in report.notes)


@pytest.mark.fault("case 14", promise="check_env agrees that None is an absent key.")
def test_keys_that_are_none_count_as_absent():
    report = check_env(Flawed, env_config={"flaw": "none"})
    assert report.is_ok
    assert report.info_shares["admissible_actions"] == 0


def episode(*anchors):
    """Return an episode that visits the given states and acts in all but the last."""
    turns = [Turn("go", anchor, 0.0, False, False, {}) for anchor in anchors]
    return Episode((*turns[:-1], replace(turns[-1], terminated=True)), 0.0, 0.0)


def test_recurring_anchors_are_counted_within_a_task_and_before_an_action():
    # Task 0 acts in a, b and a, c: two of four recur. Task 1 acts in b, d: none recurs.
    groups = {0: [episode("a", "b", "z"), episode("a", "c", "z")], 1: [episode("b", "d", "d")]}
    assert recurring_anchors(groups) == 2 / 6
    assert math.isnan(recurring_anchors({}))


def test_anchors_that_never_recur_are_noted():
    groups = {0: [episode("1", "2", "end"), episode("3", "4", "end")]}
    assert any("hardly any anchor recurs" in note for note in remarks(groups))
    groups[0].append(episode("1", "end"))
    assert not any("anchor" in note for note in remarks(groups))


def test_an_anchor_recurs_only_for_the_role_that_saw_it():
    turns = [Turn("go", "same", 0.0, False, False, {"role": role}) for role in ("a", "b", "a")]
    assert recurring_anchors({0: [Episode(tuple(turns[:3]), 0.0, 0.0)]}) == 0.0
    assert recurring_anchors({0: [Episode((*turns, turns[1]), 0.0, 0.0)]}) == 2 / 3


def test_the_report_shows_keys_of_roles_only_where_there_are_roles():
    assert "role" not in check_env(CORRIDOR).info_shares
    report = check_env(Flawed, env_config={"flaw": "roles"})
    assert report.is_ok
    assert report.info_shares["role"] == 1.0


def test_numpy_scalars_are_as_good_as_pythons():
    assert check_env(Flawed, env_config={"flaw": "numpy"}).is_ok


def test_all_problems_are_listed_at_once():
    class TwoFlaws(Flawed):
        def step(self, action):
            text, _, *rest = super().step(action)
            return text, None, *rest

    report = check_env(TwoFlaws, env_config={"flaw": "actions"})
    assert len(report.problems) == 2
    assert str(report).count("problem:") == 2


def test_an_environment_that_cannot_be_made_is_a_problem_and_no_crash():
    report = check_env(CORRIDOR, env_config={"length": 0})
    assert report.problems == (
        "making the environment raised ValueError: length must be a whole number of at least 2; "
        "got 0. Fix it in env_config.",
    )
    assert report.num_steps == 0
    assert "problem" in str(report)


def test_a_configuration_that_cannot_travel_is_a_problem():
    report = check_env(Flawed, env_config={"flaw": None, "callback": lambda: 0})
    assert "env_config cannot be pickled" in report.problems[0]


def test_other_observations_are_read_as_told():
    frozen_lake = {"is_slippery": False}
    told = check_env("FrozenLake-v1", env_config=frozen_lake, observation_to_text=str)
    assert told.is_ok
    assert not check_env("FrozenLake-v1", env_config=frozen_lake).is_ok


def test_a_template_reads_dict_observations():
    class DictCorridor(gymnasium.ObservationWrapper):
        observation_space = spaces.Dict({"text": spaces.Text(100)})

        def __init__(self, config):
            super().__init__(CorridorEnv(**config))

        def observation(self, observation):
            return {"text": observation}

    assert check_env(DictCorridor, observation_to_text="{{ text }}").is_ok
    assert not check_env(DictCorridor, observation_to_text="{{ image }}").is_ok


def test_instances_are_left_open_and_compared_where_possible():
    bare, made = CorridorEnv(), gymnasium.make(CORRIDOR)
    assert any("no fresh instance" in note for note in check_env(bare).notes)
    assert check_env(made).notes == ()
    assert bare.reset(seed=0)[0] == made.reset(seed=0)[0]


def test_a_fresh_instance_that_differs_is_found():
    numbers = iter(range(10))

    class Numbered(CorridorEnv):
        def __init__(self, config):
            super().__init__()
            self.number = next(numbers)

        def _observation(self):
            return f"{super()._observation()} This is corridor {self.number}."

    (problem, *_) = check_env(Numbered).problems
    assert "in a fresh instance" in problem


def test_too_few_episodes_are_refused():
    with pytest.raises(ValueError, match="num_episodes >= 2"):
        check_env(CORRIDOR, num_episodes=1)


def test_the_command_prints_the_report_and_tells_the_shell(capsys):
    assert main(["check-env", CORRIDOR, "--env-config", '{"length": 3}']) == 0
    assert "keeps the contract" in capsys.readouterr().out
    assert main(["check-env", CORRIDOR, "--env-config", '{"length": 1}']) == 1
    assert "problem: making the environment" in capsys.readouterr().out


class WithProcess(CorridorEnv):
    """An environment that keeps 40 MB in another process, as an environment in Java does."""

    def __init__(self, seeds):
        super().__init__()
        self.seeds = seeds

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        hold = "held = b'x' * 40_000_000; print(len(held), flush=True); input()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", hold], **pipes)
        self.process.stdout.readline()
        return super().reset(seed=seed, options=options)

    def close(self):
        self.process.communicate(b"\n")


def test_the_memory_of_a_copy_holds_its_processes_and_a_game_of_its_own():
    seeds = []
    assert 40e6 < memory_per_copy(lambda: WithProcess(seeds), 2) < 80e6
    assert len(set(seeds)) == 3


def test_what_the_first_copy_loads_for_all_is_no_copys_memory():
    loaded = []

    def make():
        if not loaded:
            loaded.append(b"x" * 40_000_000)
        return CorridorEnv()

    assert memory_per_copy(make, 2) < 10e6


def test_images_are_as_good_as_text():
    report = check_env(
        "rllib_gigpo.envs:Sokoban-v0", env_config={"observation": "image", "dim": [5, 5]}
    )
    assert report.is_ok
    assert report.recurring_anchors > 0


@pytest.mark.parametrize("shape", [(8, 8, 4), (0, 8, 3)])
def test_an_image_of_another_shape_is_named_with_it(shape):
    class Screens(CorridorEnv):
        def reset(self, *, seed=None, options=None):
            return np.zeros(shape, np.uint8), super().reset(seed=seed)[1]

    report = check_env(lambda config: Screens())
    (problem,) = [one for one in report.problems if "of reset()" in one]
    assert f"ndarray of uint8 and shape {shape}, not text" in problem
    assert "an image (uint8, height x width x 3)" in problem
