"""What the hooks cost, and what a mistake in one says."""

from types import SimpleNamespace

import pytest
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks, overrides


def callbacks_of(config):
    return RunnerCallbacks(SimpleNamespace(config=config, metrics=None, module=None))


class Nowhere:
    """A pool that must not be asked."""

    def env_of(self, slot):
        raise AssertionError


@pytest.mark.fault("case 3", promise="Hooks that nobody defines do not even look for their input.")
def test_without_hooks_a_step_does_nothing():
    class OfTheDriver(RLlibCallback):
        def on_train_result(self, **kwargs):
            pass

    for config in (GiGPOConfig(), GiGPOConfig().callbacks([RLlibCallback, OfTheDriver])):
        callbacks_of(config).on_episode("on_episode_step", None, slot=0, envs=Nowhere())
        callbacks_of(config).on_sample_end([])


def test_a_mistake_is_raised_as_it_is_with_the_name_of_its_hook():
    def mine(**kwargs):
        raise ZeroDivisionError("mine")

    callbacks = callbacks_of(GiGPOConfig().callbacks(on_sample_end=mine))
    with pytest.raises(ZeroDivisionError, match=r"^mine") as caught:
        callbacks.on_sample_end([])
    assert caught.traceback[-1].name == "mine"
    (note,) = caught.value.__notes__
    assert note.startswith("Raised in the callback on_sample_end (test_a_mistake")


def test_a_class_between_may_override_a_hook():
    class Base(RLlibCallback):
        def on_episode_end(self, **kwargs):
            pass

    class Mine(Base):
        pass

    assert overrides(Mine, "on_episode_end")
    assert overrides(Mine(), "on_episode_end")
    assert not overrides(Mine(), "on_episode_step")
