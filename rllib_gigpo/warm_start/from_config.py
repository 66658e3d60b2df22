"""Settings of a warm start that match a config: its environment, training tasks and prompts."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.vision.image_settings import ImageSettings
from rllib_gigpo.options.registry import did_you_mean
from rllib_gigpo.warm_start.warm_start_settings import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    TinyModelSettings,
    WarmStartSettings,
)

Record = TypeVar("Record", DemonstrationSettings, TinyModelSettings, FitSettings)

_OWN_PIECES = ("memory", "action_parser", "observation_to_text")


def settings_for(
    config: Any,
    *,
    env: str | None = None,
    env_config: Mapping[str, Any] | None = None,
    base_model: str | None = None,
    demonstrations: DemonstrationSettings | Mapping[str, Any] | None = None,
    tiny_model: TinyModelSettings | Mapping[str, Any] | None = None,
    fit: FitSettings | Mapping[str, Any] | None = None,
) -> WarmStartSettings:
    """Return the settings of a warm start; see `GiGPOConfig.warm_start`.

    Raises:
        ConfigError: The config does not allow a warm start, or a setting is unknown.
    """
    played_env = env if env is not None else config.env
    mistakes = []
    if not isinstance(played_env, str):
        mistakes.append(
            "the environment is not a Gymnasium id: call environment(id) first, or pass env=id"
        )
    if config.num_train_tasks is None:
        mistakes.append("num_train_tasks is not set: call tasks(num_train_tasks=...) first")
    for name in _OWN_PIECES:
        if getattr(config, name) is not None:
            mistakes.append(
                f"{name} is set, which a warm start does not support: fit the model yourself"
            )
    if mistakes:
        raise ConfigError(f"The config does not allow a warm start: {'; '.join(mistakes)}.")
    # Of another environment, such as the one behind a server, the config knows no settings.
    is_other = env is not None and isinstance(config.env, str) and env != config.env
    own_config = {} if is_other else dict(config.env_config)
    first, number = config.first_train_task, config.num_train_tasks
    return WarmStartSettings(
        env=str(played_env),
        env_config=own_config | dict(env_config or {}),
        seeds=tuple(range(first, first + number)),
        base_model=base_model,
        prompting=prompting_of(config),
        demonstrations=_record(
            DemonstrationSettings,
            "demonstrations",
            demonstrations,
            max_episode_steps=config.max_episode_steps,
        ),
        tiny_model=_record(TinyModelSettings, "tiny_model", tiny_model),
        fit=_record(FitSettings, "fit", fit),
    )


def _record(kind: type[Record], name: str, given: Any, **defaults: Any) -> Record:
    """Build settings from a dict; return built settings unchanged."""
    if isinstance(given, kind):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"warm_start: {name}={given!r} must be a dict or a {kind.__name__}.")
    known = [field.name for field in fields(kind)]
    for key in given or {}:
        if key not in known:
            raise ConfigError(
                f"warm_start: {name} has no setting {key!r}; it has {', '.join(known)}"
                f"{did_you_mean(key, known)}"
            )
    return kind(**(defaults | dict(given or {})))


def prompting_of(config: Any) -> PromptSettings:
    """Return the prompt and response settings of a config."""
    return PromptSettings(
        style=config.style,
        tools=config.tools,
        template=config.template,
        history_length=config.history_length,
        max_prompt_tokens=config.max_prompt_tokens,
        action_tag=config.action_tag,
        think_tag=config.think_tag,
        require_think=config.require_think,
        system_prompt=config.system_prompt,
        chat_template_kwargs=config.chat_template_kwargs,
        max_prompt_images=ImageSettings(**ImageSettings.expanded(config.images)).max_in_prompt,
        sub_goals=config.sub_goals,
    )
