"""The hooks of RLlib's callbacks that an EnvRunner calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils import force_list

from rllib_gigpo.env_runner.pools.env_pool import EnvPool

RUNNER_HOOKS = (
    *("on_environment_created", "on_episode_created", "on_episode_start", "on_episode_step"),
    *("on_episode_end", "on_sample_end"),
)


class RunnerCallbacks:
    """The user's hooks of an EnvRunner: methods of callback classes first, then functions.

    A hook that the user does not define costs one look into a dict. An error in a hook is the
    user's; it is raised as it is, with a note that names the hook.
    """

    def __init__(self, env_runner: EnvRunner) -> None:
        """Make the callback objects of the EnvRunner's config.

        Args:
            env_runner: The EnvRunner that hooks get, with its metrics.
        """
        self._env_runner = env_runner
        config = env_runner.config
        objects = [make() for make in force_list(config.callbacks_class)]
        self._functions = {hook: functions_of(hook, objects, config) for hook in RUNNER_HOOKS}

    def on_environment_created(self, env: gym.Env) -> None:
        """Call the hook on the thread that made ``env``, before its first reset."""
        runner = self._env_runner
        context = EnvContext(
            dict(runner.config.env_config or {}),
            worker_index=runner.worker_index,
            num_workers=runner.num_workers,
        )
        self._call("on_environment_created", env=env, env_context=context)

    def on_episode(
        self, hook: str, episode: SingleAgentEpisode, *, slot: int, envs: EnvPool | None
    ) -> None:
        """Call a hook of an episode that is played in ``slot`` of ``envs``; a program has none."""
        if not self._functions[hook]:
            return
        # Whole episodes have no earlier chunks.
        chunks: dict[str, Any] = {"prev_episode_chunks": []} if hook == "on_episode_end" else {}
        self._call(
            hook,
            episode=episode,
            env=None if envs is None else envs.env_of(slot),
            env_index=slot,
            rl_module=self._env_runner.module,
            **chunks,
        )

    def on_sample_end(self, samples: list[SingleAgentEpisode]) -> None:
        """Call the hook with the whole episodes of a call of ``sample``."""
        self._call("on_sample_end", samples=samples)

    def _call(self, hook: str, **arguments: Any) -> None:
        for function in self._functions[hook]:
            try:
                function(
                    env_runner=self._env_runner,
                    metrics_logger=self._env_runner.metrics,
                    **arguments,
                )
            except Exception as error:
                name = getattr(function, "__qualname__", repr(function))
                error.add_note(f"Raised in the callback {hook} ({name}) of config.callbacks(...).")
                raise


def overrides(callback: Any, hook: str) -> bool:
    """Return whether a callback, as a class or an object, has its own hook."""
    own = getattr(callback, hook, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(RLlibCallback, hook)


def functions_of(hook: str, callbacks: list[Any], config: Any) -> list[Callable[..., None]]:
    """Return what to call for a hook: methods of the callbacks, then the config's functions."""
    methods = [getattr(one, hook) for one in callbacks if overrides(one, hook)]
    return methods + force_list(getattr(config, f"callbacks_{hook}"))


def metrics_of_hooks(
    config: Any,
    env_runner_group: Any,
    *,
    runner_ids: Sequence[int],
    is_training: bool,
    timeout_s: float,
) -> list[dict[str, Any]]:
    """Return what hooks have logged in EnvRunners since the last call.

    Without a hook it asks nobody, because an EnvRunner that plays lets the question wait.

    Args:
        config: The config with the hooks.
        env_runner_group: The EnvRunners.
        runner_ids: The remote ones to ask; a local one is always asked.
        is_training: Whether to return what training's hooks have logged, or evaluation's.
        timeout_s: Longest wait in seconds.
    """
    callbacks = force_list(config.callbacks_class)
    has_hooks = any(functions_of(hook, callbacks, config) for hook in RUNNER_HOOKS)
    if not has_hooks or not runner_ids:  # RLlib takes an empty list for all
        return []
    metrics: list[dict[str, Any]] = env_runner_group.foreach_env_runner(
        lambda runner: runner.get_metrics(is_training=is_training),
        remote_worker_ids=runner_ids,
        timeout_seconds=timeout_s,
    )
    return metrics


def warning_of_hidden_metrics(
    logged: Iterable[Mapping[str, Any]], own: Mapping[str, Any]
) -> str | None:
    """Return a warning if callbacks logged names that our ``own`` metrics have; else None."""
    hidden = sorted({str(name) for one in logged for name in one} & own.keys())
    if not hidden:
        return None
    return (
        f"A callback logs {', '.join(hidden)}, but the result has its own metrics under this name;"
        " use another one."
    )
