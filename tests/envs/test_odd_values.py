"""Values that pass for something else: texts, numbers and anchors of classes of their own."""

import enum
import threading

import numpy as np
import pytest

from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.response_fence import check_sendable, read_reset, read_step


class Move(str, enum.Enum):  # noqa: UP042  (a StrEnum writes its value)
    GO = "go"


class Unsendable(str):
    def __reduce__(self):
        raise RuntimeError("no")


class Unreadable:
    """A number that cannot be read, as a tensor of two entries."""

    def __float__(self):
        raise RuntimeError("no")


class Quits:
    def __repr__(self):
        raise SystemExit(1)


class Place:
    """A state that is compared by identity, as any object without ``__eq__``."""


class Restless:
    """A state with an equal copy, but not an equal hash."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return id(self)


def refusal(read, *arguments):
    with pytest.raises(ContractViolationError) as raised:
        read(*arguments)
    return raised.value.kind, str(raised.value)


@pytest.mark.fault("case 13", promise="Text of a subclass of str counts as plain text.")
def test_texts_of_other_classes_are_plain_texts():
    info = {"task": Move.GO, "admissible_actions": [Move.GO], "anchor": Move.GO, "tags": [Move.GO]}
    observation, read = read_reset((Move.GO, info))
    texts = [observation, read["task"], *read["admissible_actions"], read["anchor"], *read["tags"]]
    assert texts == ["go"] * 5
    assert {type(text) for text in texts} == {str}
    assert f"{texts[2]}" == "go"
    assert type(read_reset((np.str_("a room"), {}))[0]) is str


@pytest.mark.fault("B13", promise="A reward that would lose a part as a float is refused.")
@pytest.mark.parametrize(
    "reward",
    [np.complex64(1 + 2j), np.array([1j]), np.array("1"), bytearray(b"1"), Unreadable(), Quits()],
)
def test_a_reward_that_is_no_number_is_refused(reward):
    kind, message = refusal(read_step, ("a", reward, False, False, {}))
    assert kind == "reward"
    assert type(reward).__name__ in message


def test_an_array_of_one_number_is_that_number(recwarn):
    assert read_step(("a", np.array([0.5]), False, False, {}))[1] == 0.5
    assert not recwarn.list


@pytest.mark.fault("B13", promise="An anchor that equals no copy of itself is refused.")
@pytest.mark.parametrize(
    "anchor", [Place(), object(), (1, Place()), frozenset({Place()}), Restless()]
)
def test_an_anchor_that_could_never_recur_is_refused(anchor):
    kind, message = refusal(read_reset, ("a", {"anchor": anchor}))
    assert kind == "anchor"
    assert "equals no copy of itself" in message


def test_a_tensor_is_no_anchor():
    torch = pytest.importorskip("torch")
    assert refusal(read_reset, ("a", {"anchor": torch.tensor(3)}))[0] == "anchor"


def test_anchors_that_are_compared_by_value_pass():
    for anchor in (Move, np.int64(3), (1, None, ("a", 2.0)), -0.0, b"\x00", enum.Enum("E", "A").A):
        assert read_reset(("a", {"anchor": anchor}))[1] == {"anchor": anchor}


@pytest.mark.fault("B14", promise="A key of info that cannot be sent is named.")
def test_keys_and_subclasses_that_cannot_be_sent_are_named():
    kind, message = refusal(check_sendable, "a", {threading.Lock(): 1})
    assert kind == "pickle"
    assert "the key <unlocked _thread.lock" in message
    assert refusal(check_sendable, "a", {"own": Unsendable("a")})[0] == "pickle"
    check_sendable(*read_reset((Unsendable("a"), {"anchor": Unsendable("a"), "score": True})))


@pytest.mark.fault(
    "B13", promise="What an environment writes into its last observation does not change it."
)
def test_an_observation_that_is_written_over_stays_as_it_was():
    state = {"grid": np.zeros(2), "texts": ["a"]}
    observation, _ = read_reset((state, {}))
    state["grid"][0] = 7
    state["texts"].append("b")
    assert observation["grid"].tolist() == [0, 0]
    assert observation["texts"] == ["a"]
    lock = threading.Lock()
    assert read_reset((lock, {}))[0] is lock
