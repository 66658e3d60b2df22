"""Presets: the settings of publications and scripts, each number with its source.

`GiGPOConfig.preset(name)` starts from one. What a source leaves open stays at the defaults, and
model, environment and tasks are always the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rllib_gigpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings under one name.

    Attributes:
        source: Where the numbers stand.
        settings: Name -> value, as `GiGPOConfig` has them.
    """

    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)


# Common to the published scripts of verl-agent, whose rewards are 10 for a win. They score all
# answers again before the first step, and take the penalty from the row of an invalid answer.
_SCRIPT = {
    "group_size": 8,
    "num_groups": 16,
    "clip_param": 0.2,
    "dual_clip": 3.0,
    "kl_coeff": 0.01,
    "kl_estimator": "k3",
    "entropy_coeff": 0.001,
    "loss_aggregation": "token_mean",
    "lr": 1e-6,
    "weight_decay": 0.01,
    "grad_clip": 1.0,
    "num_epochs": 1,
    "history_length": 2,
    "max_prompt_tokens": 2048,
    "max_response_tokens": 512,
    "max_episode_steps": 50,
    "eval_temperature": 0.4,
    "format_penalty": 0.1,
    "old_logp": "recompute",
}
_VERL_AGENT_STATISTICS = {
    "episode_baseline": "step",
    "lone_episode": "raw",
    "penalty_mode": "score",
}
_GIGPO = {"estimator": "gigpo", "gamma": 0.95, "step_weight": 1.0, "episode_weight": 1.0}
_CLIP_HIGHER = {"clip_param": 0.2, "clip_param_high": 0.28}
_DYNAMIC_SAMPLING = {"dynamic_sampling": True, "max_resamples": 9}
_VERL_AGENT = "verl-agent, examples/{}_trainer/run_alfworld.sh"

PRESETS: Mapping[str, Preset] = {
    "gigpo-tiny": Preset(
        "the main job of this project: 0.3M parameters on two CPU cores, docs/results.md",
        {
            **_GIGPO,
            "group_size": 8,
            "num_groups": 8,
            "format_penalty": 0.05,
            "admissible_penalty": 0.05,
            "lr": 5e-4,
            "lr_warmup_iterations": 2,
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
            "num_minibatches": 4,
            # A small model needs short prompts and answers with the bare action.
            "template": "compact",
            "history_length": 3,
            "action_tag": None,
            "think_tag": None,
            "max_prompt_tokens": 256,
            "max_response_tokens": 12,
            "eval_temperature": 1.0,
        },
    ),
    "gigpo-paper": Preset(
        "arXiv 2505.10978, section 5 and appendix; its objective averages over steps",
        {**_SCRIPT, **_GIGPO, "loss_aggregation": "seq_mean_token_mean"},
    ),
    "gigpo-verl-agent": Preset(
        _VERL_AGENT.format("gigpo") + ", statistics over rows as in its code",
        {**_SCRIPT, **_GIGPO, **_VERL_AGENT_STATISTICS, "normalize_by_std": True},
    ),
    "gigpo-roll": Preset(
        "alibaba/ROLL, defaults of its agentic GiGPO in the user guide and base_config.py",
        {
            **_GIGPO,
            "reward_normalization": {"grouping": "traj_group_id", "method": "mean"},
            "whiten_advantages": True,
            "advantage_clip": 0.2,
            "clip_param": 0.2,
            "dual_clip": None,
            "loss_aggregation": "seq_mean_token_mean",
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
            "group_size": 8,
            "num_groups": 128,
            "num_epochs": 1,
            "grad_clip": 1.0,
        },
    ),
    "gigpo-dapo": Preset(
        _VERL_AGENT.format("gigpo_dynamic"),
        {
            **_SCRIPT,
            **_GIGPO,
            **_VERL_AGENT_STATISTICS,
            **_CLIP_HIGHER,
            **_DYNAMIC_SAMPLING,
            "normalize_by_std": True,
        },
    ),
    "grpo": Preset(
        _VERL_AGENT.format("grpo") + ", statistics over episodes",
        {**_SCRIPT, "estimator": "grpo", "gamma": 1.0, "penalty_mode": "row"},
    ),
    "dr-grpo": Preset(
        "arXiv 2503.20783: no standard deviation, no length in the divisor, no KL; sizes of its"
        " script examples/qwen2.5-math-7b.sh",
        {
            "estimator": "grpo",
            "gamma": 1.0,
            "penalty_mode": "row",
            "normalize_by_std": False,
            "loss_aggregation": "seq_sum_norm",
            # The longest answer, as in the paper (there 3000).
            "loss_constant": 512.0,
            "max_response_tokens": 512,
            "group_size": 8,
            "num_groups": 128,
            "num_minibatches": 8,
            "num_epochs": 1,
            "dual_clip": None,
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
            "lr": 1e-6,
            "eval_temperature": 0.0,
        },
    ),
    "dapo": Preset(
        "arXiv 2503.14476: clip-higher, dynamic sampling, token mean, over-long filter and penalty,"
        " no KL",
        {
            **_CLIP_HIGHER,
            **_DYNAMIC_SAMPLING,
            "estimator": "grpo",
            "gamma": 1.0,
            "penalty_mode": "row",
            "loss_aggregation": "token_mean",
            "overlong_filter": True,
            # A fifth of the longest answer, as 4096 tokens are of 20480.
            "overlong_buffer_tokens": 102,
            "overlong_penalty": 1.0,
            "max_response_tokens": 512,
            "group_size": 16,
            "num_groups": 512,
            "num_minibatches": 16,
            "dual_clip": None,
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
            "lr": 1e-6,
            "lr_warmup_iterations": 20,
            "weight_decay": 0.1,
            "eval_temperature": 1.0,
            "eval_top_p": 0.7,
        },
    ),
    "gspo": Preset(
        "arXiv 2507.18071, section 5.1; GRPO's advantages",
        {
            "estimator": "grpo",
            "gamma": 1.0,
            "penalty_mode": "row",
            "policy_loss": "gspo",
            "clip_param": 3e-4,
            "clip_param_high": 4e-4,
            "dual_clip": None,
            "loss_aggregation": "seq_mean_token_mean",
            "num_minibatches": 4,
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
        },
    ),
    "rloo": Preset(
        "verl-agent, examples/rloo_trainer/run_alfworld.sh; the rule is arXiv 2402.14740's",
        {**_SCRIPT, "estimator": "rloo", "gamma": 1.0, "penalty_mode": "row"},
    ),
    "reinforce-pp": Preset(
        "arXiv 2501.03262: one baseline and one scale for the whole batch; sizes of verl-agent",
        {**_SCRIPT, "estimator": "reinforce_pp", "gamma": 1.0, "penalty_mode": "row"},
    ),
    "ppo": Preset(
        "verl-agent, examples/ppo_trainer: a second model as critic; GAE here runs over steps",
        {
            **_SCRIPT,
            "group_size": 1,  # no group is compared; as many episodes as 16 groups of 8
            "num_groups": 128,
            "estimator": "ppo",
            "gamma": 1.0,
            "gae_lambda": 1.0,
            "critic": "model",
            "critic_lr": 1e-5,
            "vf_clip_param": 0.5,
            "whiten_advantages": True,
            "penalty_mode": "row",
        },
    ),
    "hgpo": Preset(
        "arXiv 2602.22817 and its published scripts: K = 2, alpha = 1, prompts of 4096 tokens",
        {
            **_SCRIPT,
            "estimator": "hgpo",
            "gamma": 0.95,
            "anchor_context": 2,
            "level_weight_alpha": 1.0,
            "normalize_by_std": True,
            "penalty_mode": "row",
            "max_prompt_tokens": 4096,
        },
    ),
}


def preset_settings(name: str) -> dict[str, Any]:
    """Return the settings of a preset.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; known are {', '.join(sorted(PRESETS))}.")
    return dict(PRESETS[name].settings)
