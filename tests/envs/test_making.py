"""Making an environment from its id."""

import threading
import warnings

import gymnasium
import pytest

from rllib_gigpo.envs.making import make


@pytest.mark.parametrize("env_id", ["FrozenLake-v0", "Blackjack-v0"])
def test_our_games_are_not_said_to_be_out_of_date(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(f"rllib_gigpo.envs:{env_id}").close()


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("rllib_gigpo.envs:NoSuchGame-v0", "NoSuchGame"),
        ("no_such_module_at_all:Corridor-v0", "no_such_module_at_all"),
        ("rllib_gigpo.envs:Corridor-v7", "version `v7`"),
        ("Lamps-v0", "Lamps.*If a module of yours registers it, write 'my_module:Lamps-v0'"),
    ],
)
def test_an_unknown_id_is_gymnasiums_error_that_names_it(env_id, message):
    with pytest.raises((gymnasium.error.Error, ModuleNotFoundError), match=message):
        make(env_id)


def test_an_unknown_option_is_named_with_those_that_there_are():
    with pytest.raises(TypeError, match=r"no option 'lenght' \(did you mean 'length'\?\)"):
        make("rllib_gigpo.envs:Corridor-v0", lenght=3)
    make("rllib_gigpo.envs:Corridor-v0", length=3, max_episode_steps=9).close()


def test_a_slow_environment_keeps_no_other_waiting():
    started, go_on = threading.Event(), threading.Event()

    class Slow(gymnasium.Env):
        observation_space = action_space = gymnasium.spaces.Text(9)

        def __init__(self):
            started.set()
            assert go_on.wait(60)

    gymnasium.register("SlowToMake-v0", Slow)
    try:
        thread = threading.Thread(target=make, args=("SlowToMake-v0",))
        thread.start()
        assert started.wait(60)
        make("rllib_gigpo.envs:Corridor-v0").close()  # while the slow one is being made
    finally:
        go_on.set()
        thread.join(60)
        del gymnasium.registry["SlowToMake-v0"]
    assert not thread.is_alive()
