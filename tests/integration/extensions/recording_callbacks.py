"""Callbacks that record their calls, which other processes can import."""

from ray.rllib.callbacks.callbacks import RLlibCallback

CALLS = []  # (hook, keywords) of this process


def recorder(hook):
    def record(self, **keywords):
        CALLS.append((hook, keywords))

    return record


OF_RUNNERS = [
    *("on_environment_created", "on_episode_created", "on_episode_start", "on_episode_step"),
    *("on_episode_end", "on_sample_end"),
]
Recording = type("Recording", (RLlibCallback,), {hook: recorder(hook) for hook in OF_RUNNERS})


class CountingLeft(RLlibCallback):
    """A user's metrics, such as the share of steps to the left and the number of doors."""

    def on_episode_start(self, *, episode, metrics_logger, **kwargs):
        doors = int(episode.get_observations(0).rstrip(".").split()[-1])
        metrics_logger.log_value("doors", doors, reduce="mean")

    def on_episode_step(self, *, episode, metrics_logger, **kwargs):
        is_left = episode.get_actions(-1) == "go left"
        metrics_logger.log_value("left", float(is_left), reduce="mean")

    def on_episode_end(self, *, episode, env_runner, metrics_logger, **kwargs):
        metrics_logger.log_value("ended", 1, reduce="sum")
        metrics_logger.log_value("steps", len(episode), reduce="sum")
        in_evaluation = env_runner.config.in_evaluation
        metrics_logger.log_value("in_evaluation", int(in_evaluation), reduce="max")


class Failing(RLlibCallback):
    """A hook with a mistake."""

    def on_episode_start(self, *, episode, **kwargs):
        episode.no_such_attribute  # noqa: B018


class FailingAtOnce(RLlibCallback):
    """A hook with a mistake at the birth of an environment."""

    def on_environment_created(self, *, env, **kwargs):
        raise KeyError("my own mistake")
