"""Who plays a panel for `rllib panel run`: a checkpoint, or a model behind a URL."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.experiment import apply_settings
from rllib_gigpo.cli.playing.playable import Playable, find_playable
from rllib_gigpo.cli.ray_session import ray_session, ray_settings
from rllib_gigpo.errors import PanelError

if TYPE_CHECKING:
    from rllib_gigpo.panels.panel import Panel
    from rllib_gigpo.panels.played_task import PanelResult, PlayedTask, UnplayedTask

# Settings of prompts that a model behind a URL gets, too.
_OF_PROMPTS = (
    *("template", "history_length", "memory", "action_tag", "think_tag", "require_think"),
    *("action_parser", "observation_to_text"),
)
# What decides the answers besides the model; the result holds it.
_TOLD = (
    *_OF_PROMPTS,
    *("style", "system_prompt", "sub_goals", "max_prompt_tokens", "max_response_tokens"),
    *("engine", "dtype", "engine_dtype"),
)


def played_by_checkpoint(
    panel: Panel, env_config: Mapping[str, Any], args: argparse.Namespace
) -> PanelResult:
    """Play a panel with the model of a checkpoint, on its own engine.

    Args:
        panel: The panel.
        env_config: Settings of its environment on this machine.
        args: The command line.
    """
    from rllib_gigpo.cli.commands.evaluate import for_evaluation
    from rllib_gigpo.panels.played_task import check_starts
    from rllib_gigpo.sampling.evaluation import played_tasks, started_tasks, unplayed_tasks

    playable = find_playable(args.checkpoint, env=panel.env, env_config=env_config)
    settings = [("panel", panel.model_dump(mode="json")), *args.settings]
    if args.exact:  # last, so that nothing else changes the shape of a batch
        settings += [("num_env_runners", 0), ("max_concurrent_episodes", 1)]
    for_evaluation(playable.config, settings)
    with ray_session(ray_settings(args)):
        algorithm = playable.build()
        try:
            found = algorithm.play_test_tasks()
        finally:
            algorithm.stop()
    check_starts(panel, started_tasks(found))
    told = {name: _plain(getattr(playable.config, name)) for name in _TOLD}
    told["exact"] = args.exact
    return _result(panel, _name_of(playable), told, played_tasks(found), unplayed_tasks(found))


def played_by_url(
    panel: Panel, env_config: Mapping[str, Any], args: argparse.Namespace
) -> PanelResult:
    """Play a panel with a model behind a URL.

    Args:
        panel: The panel.
        env_config: Settings of its environment on this machine.
        args: The command line.

    Raises:
        PanelError: A setting does not reach such a model, or the key is missing.
    """
    from rllib_gigpo import GiGPOConfig
    from rllib_gigpo.config.sections import read_prompts
    from rllib_gigpo.env_runner.env_source import EnvSource
    from rllib_gigpo.panels.chat_agent import ChatAgent, ChatEndpoint

    for name, _ in args.settings:
        if name not in _OF_PROMPTS:
            raise PanelError(
                f"--set {name} has no effect on a model behind a URL; these have:"
                f" {', '.join(_OF_PROMPTS)}"
            )
    config, max_tokens = GiGPOConfig(), args.max_tokens or 512
    apply_settings(config, args.settings)
    agent = ChatAgent(
        ChatEndpoint(args.base_url, args.model, _api_key(args.api_key_variable)),
        read_prompts(config),
        max_tokens=max_tokens,
        num_parallel=args.num_parallel or 16,
    )
    played, unplayed = agent.play(panel, EnvSource(panel.env, env_config))
    told = {name: _plain(getattr(config, name)) for name in _OF_PROMPTS}
    told |= {"max_response_tokens": max_tokens, "base_url": args.base_url}
    return _result(panel, args.model, told, played, unplayed)


def _api_key(variable: str | None) -> str:
    key = os.environ.get(variable or "OPENAI_API_KEY")
    if variable is not None and not key:
        raise PanelError(f"The environment variable {variable} is not set; export the key in it")
    return key or "none"


def _name_of(playable: Playable) -> str:
    """Return the trial and the checkpoint, or the folder of a plain model."""
    place = playable.place.resolve()
    return f"{place.parent.name}/{place.name}" if playable.is_checkpoint else place.name


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _result(
    panel: Panel,
    agent: str,
    settings: Mapping[str, Any],
    played: Sequence[PlayedTask],
    unplayed: Sequence[UnplayedTask],
) -> PanelResult:
    from rllib_gigpo.panels.played_task import PanelResult
    from rllib_gigpo.panels.summary import summarize

    place = {task.seed: number for number, task in enumerate(panel.tasks)}
    seeds = list(panel.decoding.seeds)
    in_order = sorted(played, key=lambda one: (seeds.index(one.decoding_seed), place[one.task]))
    return PanelResult(
        panel=panel.name,
        panel_version=panel.version,
        panel_digest=panel.digest,
        agent=agent,
        settings=dict(settings),
        played=tuple(in_order),
        unplayed=tuple(unplayed),
        summary=summarize(played),
    )
