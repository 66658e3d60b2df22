"""The rollout: whole groups, no barriers, reproducible requests; a fault costs only its group."""

import itertools
import time
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from env_runner.walk import SAMPLING, SETTINGS, Walk, finish
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import OverlappingEnvs, SerialEnvs, ThreadedEnvs
from rllib_gigpo.env_runner.pools.env_slots import NO_ROOM, EnvEvent
from rllib_gigpo.envs.contract import NoRoomError
from rllib_gigpo.errors import EngineError
from rllib_gigpo.sampling.evaluation import EvaluationTasks


def test_a_group_is_whole_episodes_of_one_task(play):
    result, _ = play(Walk, lambda prompt: "up", seeds=[0, 2])
    assert [len(group.episodes) for group in result.groups] == [3, 3]
    by_seed = {group.task.seed: group.episodes for group in result.groups}
    assert [len(episode) for episode in by_seed[0]] == [4, 4, 4]
    assert [len(episode) for episode in by_seed[2]] == [2, 2, 2]
    assert all(episode.is_terminated for episode in result.episodes)
    assert all(episode.get_return() == 1.0 for episode in result.episodes)


def test_token_ids_and_logprobs_are_kept_as_the_engine_gave_them(play, tokenizer):
    result, _ = play(Walk, lambda prompt: "up", seeds=[3])
    (episode, *_) = result.episodes
    (record,) = step_records([episode])
    assert record.response_token_ids == [*tokenizer.encode("up"), tokenizer.eos_token_id]
    assert record.rollout_logp.tolist() == [-0.5] * len(record.response_token_ids)
    assert episode.get_actions(0) == "up"


def test_prompts_hold_the_task_and_the_recalled_history(play):
    _, engine = play(Walk, lambda prompt: "up", seeds=[0], group_size=2)
    last = engine.requests[-1][1]
    assert "reach 4 [at 1|up] [at 2|up] at 3" in last


def test_a_finished_episode_leaves_its_slot_to_the_next_one(play):
    settings = replace(SETTINGS, max_concurrent_episodes=2)
    result, engine = play(Walk, lambda prompt: "up", seeds=[0, 1, 2], settings=settings)
    assert len(result.episodes) == 9
    assert max(engine.batch_sizes) == 2
    # 9 episodes need 4+4+4+3+3+3+2+2+2 answers: two at a time, only the last one may be alone.
    assert len(engine.batch_sizes) == 14


def test_a_fast_episode_goes_on_while_a_slow_answer_is_made(play):
    slow = lambda prompt: 10 if "at 0" in prompt else 1  # noqa: E731
    _, engine = play(Walk, lambda prompt: "up", seeds=[0, 1], delay=slow)
    order = [request.request_id for request, _ in engine.requests]
    # Group 1 finishes its third step before group 0 reaches its second.
    assert order.index("1-0-2") < order.index("0-0-1")


def test_the_time_limit_truncates_and_does_not_terminate(play):
    settings = replace(SETTINGS, max_episode_steps=3)
    result, _ = play(Walk, lambda prompt: "wait", seeds=[0], settings=settings)
    assert all(episode.is_truncated and not episode.is_terminated for episode in result.episodes)
    assert [len(episode) for episode in result.episodes] == [3, 3, 3]


def test_same_seed_gives_the_same_requests_with_a_seed_each(play):
    runs = [play(Walk, lambda prompt: "up", seeds=[0, 1])[1].requests for _ in range(2)]
    first, second = ([(request.request_id, request.seed) for request, _ in run] for run in runs)
    assert first == second
    assert len({seed for _, seed in first}) == len(first)
    other = play(Walk, lambda prompt: "up", seeds=[0, 1], settings=replace(SETTINGS, seed=1))[1]
    assert {request.seed for request, _ in other.requests}.isdisjoint(seed for _, seed in first)


class NoteKind(ConnectorV2):
    """A pipeline that records which episodes it got together, and whether for training."""

    def __init__(self, noted, **kwargs):
        super().__init__(**kwargs)
        self.noted = noted

    def __call__(self, *, batch, episodes, explore, **kwargs):
        self.noted += [(episode.custom_data[columns.GROUP_ID], explore) for episode in episodes]
        return batch


def test_groups_of_training_and_evaluation_under_way_at_once_keep_their_own_settings(make_rollout):
    noted = []
    rollout, engine = make_rollout(Walk, lambda prompt: "up", pieces=[NoteKind(noted)])
    greedy = SamplingSettings(temperature=0.0, max_tokens=9)
    rollout.start([GroupTask(0, 1, 3, SAMPLING), GroupTask(1, 0, 2, SAMPLING)])
    rollout.advance()
    tests = EvaluationTasks(range(0, 2), greedy)
    rollout.start(tests.group_tasks())
    result = finish(rollout)

    sizes = {group.task.group_id: len(group.episodes) for group in result.groups}
    assert sizes == {0: 3, 1: 2, "test-0": 1, "test-1": 1}
    assert max(engine.batch_sizes) == 3 + 2 + 1 + 1  # all at once
    ids = [request.request_id for request, _ in engine.requests]
    assert len(set(ids)) == len(ids)
    for request, _ in engine.requests:
        is_test = request.request_id.startswith("test-")
        assert request.sampling == (greedy if is_test else SAMPLING)
    # Training group 0 and evaluation task 0 have the same number and, here, the same step.
    assert {"0-0-0", "test-0-0-0"} <= set(ids)
    seeds = {request.request_id: request.seed for request, _ in engine.requests}
    assert seeds["0-0-0"] != seeds["test-0-0-0"]
    assert set(noted) == {(0, True), (1, True), ("test-0", False), ("test-1", False)}


@pytest.mark.parametrize(
    ("fault", "kind"), [("step", "step"), ("reset", "reset"), ("nan", "reward")]
)
def test_a_fault_costs_its_group_and_no_other(play, fault, kind):
    class Faulty(Walk):
        def reset(self, *, seed=None, options=None):
            if fault == "reset" and seed == 1:
                raise RuntimeError("broken")
            return super().reset(seed=seed)

        def step(self, action):
            if self.position == 1 and fault == "step":
                raise RuntimeError("broken")
            observation, reward, *rest = super().step(action)
            if fault == "nan" and self.position == 2:
                reward = float("nan")
            return observation, reward, *rest

    result, _ = play(Faulty, lambda prompt: "up", seeds=[1, 3])
    assert [group.task.seed for group in result.groups] == [3]
    assert [(lost.task.seed, lost.kind) for lost in result.lost] == [(1, kind)]


def test_answers_for_a_lost_group_are_aborted(play):
    class OneMemberFails(Walk):
        made = 0

        def __init__(self, config=None):
            super().__init__()
            self.number = OneMemberFails.made = OneMemberFails.made + 1

        def step(self, action):
            if self.number == 1:
                raise RuntimeError("broken")
            return super().step(action)

    delays = iter([1, 50, 50])
    result, engine = play(
        OneMemberFails, lambda prompt: "up", seeds=[0], delay=lambda prompt: next(delays)
    )
    assert sorted(engine.aborted) == ["0-1-0", "0-2-0"]
    assert len(result.lost) == 1
    assert not result.groups


def test_an_engine_that_loses_a_request_is_an_error_at_once(make_rollout):
    rollout, engine = make_rollout(Walk, lambda prompt: "up", delay=lambda prompt: 5)
    rollout.start([GroupTask(0, 0, 3, SAMPLING)])
    rollout.advance()
    engine.running.pop()
    with pytest.raises(EngineError, match="lost 1 of 3 requests"):
        rollout.advance()


def test_an_environment_that_ignores_its_seed_is_found_out(play):
    class Drifting(Walk):
        resets = 0

        def reset(self, *, seed=None, options=None):
            Drifting.resets += 1
            return f"at {Drifting.resets}", {}

    result, _ = play(Drifting, lambda prompt: "up", seeds=[0])
    assert result.lost[0].kind == "not_deterministic"
    assert "two different starts" in result.lost[0].message


@pytest.mark.parametrize("as_dict", [False, True])
def test_starts_that_differ_in_one_pixel_are_found_out(play, as_dict):
    class Drifting(Walk):
        resets = 0

        def reset(self, *, seed=None, options=None):
            Drifting.resets += 1
            screen = np.zeros((96, 96, 3), np.uint8)
            screen[48, 48] = Drifting.resets
            return {"view": screen} if as_dict else screen, {}

    result, _ = play(Drifting, lambda prompt: "up", seeds=[0])
    assert result.lost[0].kind == "not_deterministic"


def test_a_step_that_does_not_say_who_acts_costs_its_group(play):
    class Forgetful(Walk):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            return observation, info | {"role": "a"}

        def step(self, action):
            *rest, info = super().step(action)
            return *rest, info | ({} if self.position == 2 else {"role": "b"})

    result, _ = play(Forgetful, lambda prompt: "up", seeds=[1, 3])
    assert [group.task.seed for group in result.groups] == [3]
    (lost,) = result.lost
    assert (lost.kind, lost.task.seed) == ("info", 1)
    assert "info has no 'role', which it had at reset" in lost.message


@pytest.mark.fault("B13", promise="An observation that is not text costs its group.")
def test_an_observation_that_is_not_text_costs_its_group_and_names_the_fix(play):
    class Numbers(Walk):
        def step(self, action):
            observation, *rest = super().step(action)
            return (42 if self.position == 2 else observation), *rest

    result, _ = play(Numbers, lambda prompt: "up", seeds=[1, 3])
    assert [group.task.seed for group in result.groups] == [3]
    (lost,) = result.lost
    assert lost.kind == "observation"
    assert lost.message.startswith("the environment, seed 1, step 2: The observation is not text")
    assert "observation_to_text" in lost.message


def test_all_slots_are_free_again_after_a_group_without_text(play):
    class FirstTaskFails(Walk):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            return (None if seed == 0 else observation), info

    settings = replace(SETTINGS, max_concurrent_episodes=3)
    result, engine = play(FirstTaskFails, lambda prompt: "up", seeds=[0, 1, 2], settings=settings)
    assert [group.task.seed for group in result.groups] == [1, 2]
    assert max(engine.batch_sizes) == 3


def test_a_reader_of_observations_that_raises_costs_the_group(play, make_rollout):
    def read(observation):
        if observation == "at 2":
            raise LookupError("no words")
        return observation

    result, _ = play(Walk, lambda prompt: "up", seeds=[1, 3], to_text=read)
    assert [group.task.seed for group in result.groups] == [3]
    assert "observation_to_text=...) cannot read" in result.lost[0].message
    assert "LookupError" in result.lost[0].message


@pytest.mark.fault("case 18", promise="A template that fails on one observation costs its group.")
@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "{{ observation }}{% if observation == 'at 1' %}{{ 1 // 0 }}{% endif %}",
            "failed to render",
        ),
        (None, "no doors"),
    ],
)
def test_a_template_that_fails_on_an_observation_costs_the_group(
    play, tokenizer, monkeypatch, source, complaint
):
    class Doors(Walk):
        def step(self, action):
            observation, *rest = super().step(action)
            return (f"{observation} door", *rest)

    if source is None:
        forbidding = "{% if 'door' in messages[0]['content'] %}{{ raise_exception('no doors') }}"
        template = forbidding + "{% endif %}" + tokenizer.chat_template
        monkeypatch.setattr(tokenizer, "chat_template", template)
        result, _ = play(Doors, lambda prompt: "up", [0, 3])
    else:
        result, _ = play(Walk, lambda prompt: "up", [0, 3], source=source)
    (lost,) = result.lost
    assert (lost.kind, lost.task.seed) == ("observation", 0)
    assert "the environment, seed 0, step 2" in lost.message
    assert complaint in lost.message
    assert [group.task.seed for group in result.groups] == [3]


@pytest.mark.fault("B13", promise="A history shows what was seen, not what was written over it.")
def test_a_history_keeps_observations_that_the_environment_writes_over(play):
    class OneDict(Walk):
        def reset(self, *, seed=None, options=None):
            self.state = {"text": super().reset(seed=seed)[0]}
            return self.state, {}

        def step(self, action):
            text, *rest = super().step(action)
            self.state["text"] = text
            return (self.state, *rest)

    _, engine = play(OneDict, lambda prompt: "up", [1], to_text="{{ text }}")
    assert "[at 1|up] [at 2|up] at 3" in engine.requests[-1][1]


@pytest.mark.fault("case 13", promise="A lone surrogate in an observation is replaced.")
def test_a_lone_surrogate_reaches_the_engine_as_valid_text(play, record_property):
    class Cut(Walk):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            return f"{observation} \ud83d", info

    result, engine = play(Cut, lambda prompt: "up", seeds=[2])
    assert not result.lost
    assert "at 2 ?" in engine.requests[0][1]
    record_property("happened", "the surrogate is shown to the model as ?")


def test_the_engines_batches_do_not_depend_on_how_long_overlapping_environments_take(play):
    def played(delays):
        class Delayed(Walk):
            def step(self, action):
                time.sleep(next(delays))
                return super().step(action)

        envs = OverlappingEnvs(EnvSource(Delayed, {}), num_threads=3, patience_s=30)
        _, engine = play(
            Delayed,
            lambda prompt: "up",
            seeds=[0, 1, 2],
            envs=envs,
            delay=lambda prompt: 1 + len(prompt) % 3,
        )
        envs.close()
        return engine.batch_sizes, [request.request_id for request, _ in engine.requests]

    quick, slow = itertools.repeat(0.0), itertools.cycle([0.0, 0.02, 0.005])
    batches = played(quick)
    assert played(slow) == batches
    assert len(set(batches[0])) > 2  # the environments ran while the engine did


def test_a_rollout_tells_what_is_left(make_rollout):
    settings = replace(SETTINGS, max_concurrent_episodes=2)
    rollout, _ = make_rollout(Walk, lambda prompt: "up", settings=settings)
    rollout.start([GroupTask(0, 3, 3, SAMPLING)])  # one step each
    assert rollout.num_left == {0: 3}
    while rollout.num_left == {0: 3}:
        rollout.advance()
    assert rollout.num_left == {0: 1}


class Buttons(gym.Env):
    """A Discrete space with names."""

    action_meanings = ("red", "green")

    def __init__(self, config=None):
        self.observation_space = gym.spaces.Text(100)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.pressed = []
        return "press", {"admissible_actions": ["red", "green"]}

    def step(self, action):
        self.pressed.append(action)
        done = len(self.pressed) == 2
        info = {"admissible_actions": ["red", "green"]}
        return f"pressed {self.pressed}", float(action), done, False, info


def test_a_discrete_action_is_found_by_name_and_nonsense_leaves_the_state(play):
    answers = iter(["green", "nonsense", "red"])
    result, _ = play(
        Buttons,
        lambda prompt: next(answers),
        seeds=[0],
        group_size=1,
        space=gym.spaces.Discrete(2),
    )
    (episode,) = result.episodes
    assert list(episode.get_observations()) == [
        "press",
        "pressed [1]",
        "pressed [1]",
        "pressed [1, 0]",
    ]
    assert [record.is_admissible for record in step_records([episode])] == [True, False, True]
    assert [float(reward) for reward in episode.get_rewards()] == [1.0, 0.0, 0.0]


class CrowdedWalk(Walk):
    """A walk with room for some copies only."""

    room, num_open, num_refused = 4, 0, 0

    def __init__(self, config=None):
        cls = CrowdedWalk
        if cls.num_open == cls.room:
            cls.num_refused += 1
            raise NoRoomError(f"there is room for {cls.room} only.")
        cls.num_open += 1
        super().__init__(config)

    def close(self):
        CrowdedWalk.num_open -= 1


@pytest.fixture
def crowded(monkeypatch):
    """Return a function that makes `CrowdedWalk` with some room."""

    def make(room):
        monkeypatch.setattr(CrowdedWalk, "room", room)
        monkeypatch.setattr(CrowdedWalk, "num_open", 0)
        monkeypatch.setattr(CrowdedWalk, "num_refused", 0)
        return CrowdedWalk

    return make


@pytest.mark.parametrize("num_threads", [0, 2])
def test_without_room_for_all_episodes_some_wait_for_others(play, crowded, caplog, num_threads):
    env = crowded(4)
    source = EnvSource(env, {})
    pool = ThreadedEnvs(source, num_threads=num_threads) if num_threads else SerialEnvs(source)
    result, engine = play(env, lambda prompt: "up", seeds=[0, 1, 2], envs=pool)
    assert [len(group.episodes) for group in result.groups] == [3, 3, 3]
    assert not result.lost
    assert max(engine.batch_sizes) <= 4
    told = [one.getMessage() for one in caplog.records if "room for 4 only" in one.getMessage()]
    assert len(told) == 1
    assert told[0].endswith("Until then, episodes wait for each other.")
    # An episode of each of the other slots is refused once, and no slot is asked again.
    assert env.num_refused == 9 - 4


def test_without_any_room_groups_are_lost(play, crowded):
    result, _ = play(crowded(0), lambda prompt: "up", seeds=[0, 1])
    assert [(lost.kind, lost.task.seed) for lost in result.lost] == [("no_room", 1), ("no_room", 0)]
    assert "there is room for 0 only" in result.lost[0].message


class HighSlots(SerialEnvs):
    """A pool that has room in the slots from 5 on only."""

    def reset(self, slot, seed, *, is_training=True):
        if slot < 5:
            self._events.append(EnvEvent(slot=slot, error="no room.", error_kind=NO_ROOM))
        else:
            super().reset(slot, seed, is_training=is_training)


def test_episodes_wait_for_whichever_slots_have_room(play):
    pool = HighSlots(EnvSource(Walk, {}))
    result, _ = play(Walk, lambda prompt: "up", seeds=[0, 1, 2], envs=pool)
    assert [len(group.episodes) for group in result.groups] == [3, 3, 3]
    assert not result.lost
