"""Every environment of the catalogue: a fork's state is the state that it left."""

import gymnasium
import pytest
from support.backends import has_java

from rllib_gigpo.envs import CATALOGUE
from rllib_gigpo.envs.catalogue import EnvEntry
from rllib_gigpo.envs.conformance.contract_checks import compare_episodes
from rllib_gigpo.envs.conformance.env_probe import play, random_policy

MAX_STEPS = 8
CONFIGS = {
    "Mixture-v0": {
        "parts": [{"env": f"rllib_gigpo.envs:{name}"} for name in ("Corridor-v0", "FrozenLake-v0")]
    },
    "FrozenLake-v0": {"is_slippery": True},  # luck must repeat itself too
    "SearchQA-v0": {"list_actions": True},
}


def actions_in_turn(actions):
    turns = iter(actions)
    return lambda info: next(turns)


@pytest.fixture
def make_env(coin_game):
    made = []

    def make(entry: EnvEntry) -> gymnasium.Env:
        config = CONFIGS.get(entry.name, {})
        if entry.name == "OpenEnv-v0":
            config = {"package": "support.games.packaged_corridor"}
        if entry.name == "Jericho-v0":
            config = {"game_file": str(coin_game)}
        made.append(gymnasium.make(entry.id, disable_env_checker=True, **config))
        return made[-1]

    yield make
    for env in made:
        env.close()


SLOW = {"ScienceWorld-v0", "TextWorldExpress-v0"}  # a JVM for each copy
ENTRIES = [
    pytest.param(entry, id=entry.name, marks=[pytest.mark.slow] if entry.name in SLOW else [])
    for entry in CATALOGUE
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_used_copy_returns_to_every_state_of_an_episode(entry, make_env):
    if not entry.is_installed or (entry.programs and not has_java):
        pytest.skip(f"{entry.name} needs {', '.join(entry.missing) or 'Java'}")
    env, other = make_env(entry), make_env(entry)

    def played(env, seed, policy, steps=MAX_STEPS):
        return play(env, seed=seed, policy=policy, to_text=lambda seen: seen, max_steps=steps)

    at_random = random_policy(env.action_space, seed=5)
    original = played(env, 3, at_random)
    assert original.actions
    for used in (env, other):
        played(used, 4, at_random)  # a slot plays another task before it plays the fork
        repeated = original.actions if not original.has_ended else original.actions[:-1]
        for fork in {len(repeated), max(0, len(repeated) - 2)}:
            again = played(used, 3, actions_in_turn(repeated[:fork]), steps=fork)
            start = type(original)(original.turns[: fork + 1], 0.0, 0.0)
            assert compare_episodes(start, again, where="a used copy", seed=3) == []
