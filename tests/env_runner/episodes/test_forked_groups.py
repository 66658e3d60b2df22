"""Forks in a rollout: repeated steps cost no tokens, and lead to the state that was left."""

from dataclasses import dataclass, replace

import gymnasium as gym
import pytest
from env_runner.walk import SAMPLING, SETTINGS, Walk, finish

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.group_plans.entropy_forks import EntropyForks
from rllib_gigpo.group_plans.group_plan import Fork as ForkPlace
from rllib_gigpo.group_plans.lone_state_forks import LoneStateForks
from rllib_gigpo.group_plans.random_forks import RandomForks
from rllib_gigpo.sampling.evaluation import EvaluationTasks
from rllib_gigpo.sampling.rollout_metrics import rollout_metrics


class Fork(gym.Env):
    """Paths of letters: each answer adds its letter; "none" changes nothing; 4 letters end it."""

    calls = 0

    def __init__(self, config=None):
        self.observation_space = self.action_space = gym.spaces.Text(100)

    def reset(self, *, seed=None, options=None):
        self.path = f"{seed}:"
        return self.path, {"task": "write"}

    def step(self, action):
        Fork.calls += 1
        self.path += action[-1]
        done = len(self.path) >= 6
        return self.path, float(action[-1] == "t"), done, False, {"won": done}


def by_turn(texts):
    """Return answers in turn, whatever the prompt."""
    turns = iter(range(10**6))
    return lambda prompt: texts[next(turns) % len(texts)]


WORDS = ["left", "right", "go", "door", "stand"]
PLANS = [LoneStateForks(), RandomForks(), RandomForks(rounds=2), EntropyForks()]


@pytest.fixture
def forked(play):
    def run(plan, env=Fork, words=WORDS, group_size=8, seeds=(3,), **options):
        settings = replace(SETTINGS, group_plan=plan)
        return play(env, by_turn(words), seeds, group_size=group_size, settings=settings, **options)

    return run


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.name}{plan.rounds}")
def test_forks_repeat_a_start_and_then_choose_themselves(forked, plan):
    result, engine = forked(plan, seeds=[3, 4])
    for group in result.groups:
        assert len(group.episodes) == 8
        forks = [one for one in group.episodes if columns.FORK in one.custom_data]
        assert [one.custom_data[columns.MEMBER] for one in forks] == [4, 5, 6, 7]
        for fork in forks:
            member, step = fork.custom_data[columns.FORK]
            source = group.episodes[member]
            assert 1 <= step < len(source)
            assert fork.get_observations(slice(0, step + 1)) == source.get_observations(
                slice(0, step + 1)
            )
            records, others = step_records([fork]), step_records([source])
            assert [one.is_replayed for one in records] == [True] * step + [False] * (
                len(records) - step
            )
            for one, other in zip(records[:step], others, strict=False):
                assert one.response_token_ids == other.response_token_ids
                assert one.reward == other.reward
            assert records[step].prompt_token_ids == others[step].prompt_token_ids
            assert fork.is_terminated
            assert fork.get_return() == sum(one.reward for one in records)
    answered = [request.request_id for request, _ in engine.requests]
    own = [one for one in step_records(result.episodes) if not one.is_replayed]
    assert len(answered) == len(set(answered)) == len(own)


def test_a_tree_is_named_after_its_first_episode(forked):
    result, _ = forked(RandomForks(forked_share=0.75, rounds=3))
    (group,) = result.groups
    trees = {0: 0, 1: 1}
    for episode in group.episodes[2:]:
        member, _ = episode.custom_data[columns.FORK]
        trees[episode.custom_data[columns.MEMBER]] = trees[member]
        assert episode.custom_data[columns.TREE] == trees[member]
    assert len(trees) == 8
    assert any(episode.custom_data[columns.FORK][0] >= 2 for episode in group.episodes[2:])


def test_repeated_steps_are_counted_and_their_tokens_saved(forked):
    calls_before = Fork.calls
    result, engine = forked(RandomForks())
    repeated = [one for one in step_records(result.episodes) if one.is_replayed]
    metrics = rollout_metrics(result)
    assert len(repeated) > 0
    assert result.stats.num_steps == len(engine.requests)
    assert metrics["num_env_steps"] == Fork.calls - calls_before == 8 * 4
    assert metrics["forks"]["num_forks"] == 4
    assert metrics["forks"]["num_replayed_steps"] == len(repeated)
    assert metrics["forks"]["replayed_step_share"] == len(repeated) / 32
    assert metrics["forks"]["num_saved_response_tokens"] == sum(
        len(one.response_token_ids) for one in repeated
    )
    assert metrics["forks"]["num_saved_prompt_tokens"] == sum(
        len(one.prompt_token_ids) for one in repeated
    )


def test_success_is_that_of_episodes_from_the_reset(forked):
    class Lucky(Fork):
        """Only forks win: the episodes from the reset are the first to end."""

        ended = 0

        def step(self, action):
            *rest, info = super().step(action)
            Lucky.ended += info["won"]
            return *rest, {"won": Lucky.ended > 4}

    result, _ = forked(RandomForks(), env=Lucky)
    metrics = rollout_metrics(result)
    assert metrics["success_rate"] == metrics["batch_success_rate"] == 0.0
    assert metrics["forks"]["success_rate"] == 1.0


def test_steps_that_did_not_reach_the_environment_are_repeated_without_it(play, tokenizer):
    """Skipped steps stand in the episode with the action None."""
    space = gym.spaces.Discrete(2)

    class TwoWays(Walk):
        goal = 3

        def __init__(self, config=None):
            self.observation_space, self.action_space = gym.spaces.Text(100), space
            self.action_meanings = ["up", "wait"]

        def step(self, action):
            return super().step(self.action_meanings[action])

    settings = replace(SETTINGS, group_plan=RandomForks(forked_share=0.75), max_episode_steps=8)
    words = ["left", "1", "right", "1", "left"]
    result, _ = play(TwoWays, by_turn(words), [0], group_size=8, settings=settings, space=space)
    (group,) = result.groups
    forks = group.episodes[2:]
    skipped = 0
    for fork in forks:
        member, step = fork.custom_data[columns.FORK]
        source = group.episodes[member]
        assert fork.get_observations(slice(0, step + 1)) == source.get_observations(
            slice(0, step + 1)
        )
        skipped += sum(fork.get_actions(number) is None for number in range(step))
    assert skipped > 0


def test_an_environment_that_does_not_repeat_itself_costs_its_group(forked):
    class Drifts(Fork):
        steps = 0

        def step(self, action):
            Drifts.steps += 1
            observation, *rest = super().step(action)
            return f"{observation} {Drifts.steps}", *rest

    result, _ = forked(RandomForks(), env=Drifts)
    assert result.groups == []
    (lost,) = result.lost
    assert lost.kind == "not_deterministic"
    assert "group_plan cannot return to a state" in lost.message
    assert "check-env" in lost.message


def test_forks_at_high_entropy_begin_at_the_answers_that_had_it(forked):
    """The engine's entropies rise, so the last answers of the starts have the highest."""
    result, engine = forked(EntropyForks(forked_share=0.25))
    (group,) = result.groups
    forks = [one.custom_data[columns.FORK] for one in group.episodes[6:]]
    order = [request.request_id for request, _ in engine.requests[: 6 * 4]]
    last = [tuple(map(int, one.split("-")[1:])) for one in order[::-1]]
    states = {}
    for member, step in last:
        record = step_records([group.episodes[member]])[step]
        if step:
            states.setdefault(record.anchor, (member, step))
    assert forks == list(states.values())[:2]


def test_an_engine_without_entropies_is_told(forked, scripted_engine, monkeypatch):
    engine = type(scripted_engine(lambda prompt: "go"))
    monkeypatch.setattr(engine, "_uncertainty", lambda self, num_tokens: None)
    with pytest.raises(EngineError, match="'entropy' needs the entropy of every token"):
        forked(EntropyForks())


def test_a_role_that_another_episode_gave_to_somebody_else_is_no_repetition(forked):
    class OtherRoles(Fork):
        resets = 0

        def reset(self, *, seed=None, options=None):
            OtherRoles.resets += 1
            self.is_fork = OtherRoles.resets > 4
            observation, info = super().reset(seed=seed)
            return observation, {**info, "role": "a"}

        def step(self, action):
            *rest, info = super().step(action)
            return *rest, {**info, "role": "c" if self.is_fork else "b"}

    (lost,) = forked(RandomForks(), env=OtherRoles)[0].lost
    assert lost.kind == "not_deterministic"


@dataclass(frozen=True, slots=True, kw_only=True)
class OddForks(RandomForks):
    """A plan that forks where it wants."""

    member: int
    step: int

    def next_forks(self, steps, group_size, rng):
        return [ForkPlace(self.member, self.step)] * 4


@pytest.mark.parametrize("place", [(9, 1), (-1, 1), (0, 4), (0, 0), (0, -1)])
def test_a_plan_that_forks_where_nobody_chose_is_told(forked, place):
    with pytest.raises(ConfigError, match="which is not a step after the first"):
        forked(OddForks(member=place[0], step=place[1]))


def test_all_forks_of_a_round_play_at_the_same_time(forked):
    _, engine = forked(RandomForks(forked_share=0.75))
    # Two starts of four steps, then six forks: some of them have one step, others three.
    assert engine.batch_sizes[:4] == [2, 2, 2, 2]
    assert max(engine.batch_sizes) == 6
    assert len(engine.batch_sizes) <= 4 + 3 + 5  # up to three steps, repeated ones in between


def test_a_group_that_has_begun_its_starts_alone_counts_those(make_rollout):
    settings = replace(SETTINGS, group_plan=RandomForks(forked_share=0.75))
    rollout, _ = make_rollout(Fork, by_turn(WORDS), settings=settings)
    rollout.start([GroupTask(0, 3, 8, SAMPLING)])
    rollout.advance()
    assert rollout.num_left == {0: 2}
    while rollout.num_left == {0: 2} or rollout.num_left == {0: 1}:
        rollout.advance()
    assert rollout.num_left == {0: 6}
    rollout.drop([0])  # while its forks wait
    assert rollout.num_left == {}
    finish(rollout)


def test_where_nothing_can_fork_the_rest_starts_at_the_reset(forked):
    class Once(Fork):
        def step(self, action):
            observation, reward, *_ = super().step(action)
            return observation, reward, True, False, {"won": True}

    result, _ = forked(LoneStateForks(), env=Once)
    assert len(result.episodes) == 8
    assert all(columns.FORK not in one.custom_data for one in result.episodes)


def test_seed_and_group_determine_the_forks_whatever_else_is_played(play):
    """Every answer depends on its prompt alone, so only the forks could differ."""

    def forks_of(seeds, bound, seed=0):
        settings = replace(
            SETTINGS, group_plan=RandomForks(), max_concurrent_episodes=bound, seed=seed
        )
        result, _ = play(Fork, lambda prompt: "left", seeds, group_size=8, settings=settings)
        return {
            group.task.group_id: [one.custom_data.get(columns.FORK) for one in group.episodes]
            for group in result.groups
        }

    alone, among_others = forks_of([3], None), forks_of([3, 4, 5], 3)
    assert alone[0] == among_others[0]
    assert len({str(forks) for forks in among_others.values()}) > 1
    assert forks_of([3], None, seed=1) != alone


def test_evaluation_never_forks(make_rollout):
    settings = replace(SETTINGS, group_plan=RandomForks())
    rollout, _ = make_rollout(Fork, by_turn(WORDS), settings=settings)
    rollout.start(EvaluationTasks(range(3), SamplingSettings(max_tokens=9)).group_tasks())
    assert all(columns.FORK not in one.custom_data for one in finish(rollout).episodes)
