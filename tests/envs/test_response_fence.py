"""The fence around responses: what passes is checked and copied, what does not names its part."""

import re
import threading

import numpy as np
import pytest

from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.response_fence import check_sendable, read_reset, read_step

NAN = float("nan")


def step(observation="a room", reward=0.0, terminated=False, truncated=False, info=None):
    return observation, reward, terminated, truncated, info


def refusal(read, *arguments):
    with pytest.raises(ContractViolationError) as raised:
        read(*arguments)
    return raised.value.kind, str(raised.value)


class Odd:
    """An object whose methods all fail."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


class Uncomparable:
    def __hash__(self):
        return 0

    def __eq__(self, other):
        raise RuntimeError("no")


class Restless:
    """An object that can be pickled but not restored."""

    def __reduce__(self):
        return int, ("no number",)


@pytest.mark.parametrize(
    ("response", "kind", "complaint"),
    [
        (step()[:4], "step", r"returned 4 values; it must return \(observation, reward"),
        ("text", "step", "returned str"),
        (None, "step", "returned NoneType"),
        (step(reward=NAN), "reward", r"a reward is nan \(float\)"),
        (step(reward=float("-inf")), "reward", "-inf"),
        (step(reward=1e308), "reward", r"1e\+308.*at most 1e\+15"),
        (step(reward=10**400), "reward", "int"),
        (step(reward="1"), "reward", r"'1' \(str\)"),
        (step(reward=None), "reward", "NoneType"),
        (step(reward=1j), "reward", "complex"),
        (step(reward=[1.0]), "reward", "list"),
        (step(terminated=1), "flags", "terminated is int, not bool"),
        (step(truncated=None), "flags", "truncated is NoneType, not bool"),
        (step(terminated={}), "flags", "terminated is dict"),
        (step(info=["won"]), "info", "info is list, not dict"),
        (step(info="won"), "info", "info is str"),
        (step(info={"task": 3}), "info", r"info\['task'\] is int, not str"),
        (step(info={"won": "no"}), "info", r"info\['won'\] is str, not bool"),
        (step(info={"score": "3"}), "info", r"info\['score'\] is str"),
        (step(info={"expert_action": ["go"]}), "info", r"info\['expert_action'\] is list"),
        (step(info={"admissible_actions": "go left"}), "info", r"is str, not list or tuple"),
        (step(info={"admissible_actions": [None, 3]}), "info", "contains None"),
        (step(info={"admissible_actions": ["go", b"left"]}), "info", "contains b'left'"),
        (step(info={"admissible_actions": [Odd()]}), "info", "<Odd whose repr fails>"),
        (step(info={"tags": "hard"}), "info", r"info\['tags'\] is str"),
        (step(info={"tags": [1]}), "info", r"info\['tags'\] contains 1"),
        (step(info={"role": 1}), "info", r"info\['role'\] is int, not str"),
        (step(info={"role": " "}), "info", r"info\['role'\] is ' '\. Name the agent"),
        (step(info={"role_rewards": [1]}), "info", r"info\['role_rewards'\] is list, not dict"),
        (step(info={"role_rewards": {"a": NAN}}), "info", "pays nan to 'a'.*finite"),
        (step(info={"role_rewards": {"a": "1"}}), "info", "pays '1' to 'a'"),
        (step(info={"role_rewards": {"a": 1e308}}), "info", r"pays 1e\+308 to 'a'.*1e\+15"),
        (step(info={"role_rewards": {1: 0.5}}), "info", "pays 0.5 to 1.*names of roles"),
        (step(info={"anchor": [1, 2]}), "anchor", "unhashable list"),
        (step(info={"anchor": np.zeros(2)}), "anchor", r"unhashable ndarray.*tobytes"),
        (step(info={"anchor": NAN}), "anchor", "NaN equals nothing"),
        (step(info={"anchor": np.float32("nan")}), "anchor", "NaN equals nothing"),
        (step(info={"anchor": (1, (2, NAN))}), "anchor", "NaN equals nothing"),
        (step(info={"anchor": ("a", [1])}), "anchor", "unhashable tuple"),
        (step(info={"anchor": Uncomparable()}), "anchor", "Uncomparable"),
    ],
)
def test_a_bad_part_of_a_step_is_refused_by_kind(response, kind, complaint):
    found, message = refusal(read_step, response)
    assert found == kind
    assert re.search(complaint, message)


def test_a_reset_of_the_old_api_is_refused():
    assert refusal(read_reset, "ab") == (
        "reset",
        "reset() returned str; it must return (observation, info), as in Gymnasium.",
    )


def test_good_responses_pass_unchanged():
    info = {
        "task": "go",
        "admissible_actions": ("a", "b"),
        "won": np.bool_(True),
        "anchor": ("kitchen", 1, frozenset({2.0})),
        "score": np.float32(2),
        "tags": [],
        "anything": {"else": [1]},
    }
    read = read_step(step("ein Gruß 😀", np.float32(0.5), np.bool_(True), False, info))
    assert read == step("ein Gruß 😀", 0.5, True, False, info | {"admissible_actions": ["a", "b"]})
    assert [type(part) for part in read] == [str, float, bool, bool, dict]
    assert read_step(step(reward=np.array(1.0)))[1] == 1.0
    assert read_reset(({"image": 3}, None)) == ({"image": 3}, {})


@pytest.mark.fault("case 14", promise="A key of info that is None counts as absent.")
def test_none_is_as_if_the_key_were_absent():
    keys = ("task", "admissible_actions", "won", "anchor", "expert_action", "score", "tags")
    _, info = read_reset(("a room", dict.fromkeys(keys) | {"own": None}))
    assert info == {"own": None}


def test_what_an_environment_changes_later_does_not_change_the_record():
    info = {"admissible_actions": ["go"], "anchor": "a"}
    _, read = read_reset(("a room", info))
    info["anchor"] = "b"
    info["admissible_actions"].append("stay")
    assert read == {"admissible_actions": ["go"], "anchor": "a"}


@pytest.mark.fault("case 13", promise="Lone surrogates are replaced in all text.")
def test_lone_surrogates_are_replaced_in_every_text():
    bad = "a \ud83d b"
    observation, info = read_reset(
        (
            bad,
            {
                "task": bad,
                "admissible_actions": [bad],
                "anchor": bad,
                "expert_action": bad,
                "tags": [bad],
            },
        )
    )
    assert observation == info["task"] == info["anchor"] == info["expert_action"] == "a ? b"
    assert info["admissible_actions"] == info["tags"] == ["a ? b"]


@pytest.mark.parametrize(
    ("observation", "info", "complaint"),
    [
        ("a room", {"lock": threading.Lock()}, r"info\['lock'\] \(lock\) cannot be sent"),
        ("a room", {"game": (x for x in ())}, r"info\['game'\] \(generator\)"),
        ("a room", {"game": Restless()}, r"info\['game'\] \(Restless\).*ValueError"),
        (threading.Lock(), {}, "the observation"),
    ],
)
def test_what_cannot_be_sent_is_named(observation, info, complaint):
    kind, message = refusal(check_sendable, observation, info)
    assert kind == "pickle"
    assert re.search(complaint, message)


def test_what_can_be_sent_passes():
    check_sendable("a room", {"anchor": (1, "a"), "own": {"deep": [np.zeros(3)]}, 7: lambda: 0})
