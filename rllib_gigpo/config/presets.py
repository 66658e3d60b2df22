"""Presets: the settings of publications and scripts, with the source of each number.

`GiGPOConfig.preset(name)` starts from one. Settings that a source leaves open keep their defaults,
and the user always sets model, environment and tasks. The tables in docs/presets.md are generated
from this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Numbers:
    """Settings from one source.

    Attributes:
        source: The source, in Markdown.
        settings: Name -> value; the name of an option has dots, as in "penalties.format".
    """

    source: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings under one name.

    Attributes:
        description: One line of Markdown.
        source: The source of most of the settings, in Markdown.
        parts: The settings by source; later parts override earlier ones.
    """

    description: str
    source: str
    parts: tuple[Numbers, ...]

    @property
    def sources(self) -> dict[str, str]:
        """The source of each setting, by its name with dots."""
        return {name: part.source for part in self.parts for name in part.settings}

    @property
    def flat(self) -> dict[str, Any]:
        """The settings by their names with dots."""
        return {name: value for part in self.parts for name, value in part.settings.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as `GiGPOConfig` has them, options in nested dicts."""
        nested: dict[str, Any] = {}
        for name, value in self.flat.items():
            *path, last = name.split(".")
            place = nested
            for step in path:
                place = place.setdefault(step, {})
            place[last] = value
        return nested


# ---------------------------------------------------------------- shared by several presets

# The published scripts of verl-agent. A win is rewarded with 10 there; all log-probs are recomputed
# before the first step, and the penalty is subtracted from the row of an invalid answer.
_SIZES = "`env.rollout.n`, `data.train_batch_size`"
_YAML = "yaml"
_SCRIPT = (
    Numbers(f"scripts: {_SIZES}", {"group_size": 8, "num_groups": 16}),
    Numbers(
        "scripts",
        {
            "lr": 1e-6,
            "kl_coeff": 0.01,
            "kl.estimator": "k3",
            "history_length": 2,
            "max_response_tokens": 512,
            "max_episode_steps": 50,
            "eval_sampling.temperature": 0.4,
        },
    ),
    Numbers("scripts: `data.max_prompt_length`", {"max_prompt_tokens": 2048}),
    Numbers(
        _YAML,
        {
            "clip_param": 0.2,
            "policy_loss.name": "ppo",
            "policy_loss.dual_clip": 3.0,
            "entropy_coeff": 0.001,
            "grad_clip": 1.0,
            "num_epochs": 1,
            "optim.name": "adamw",
            "optim.weight_decay": 0.01,
            "loss_aggregation": "token_mean",
        },
    ),
    Numbers("scripts: `actor.invalid_action_penalty_coef`", {"penalties.format": 0.1}),
    Numbers("verl-agent's trainer, which always recomputes", {"old_logp": "recompute"}),
)
_LEVELS = Numbers(
    "arXiv 2505.10978, eq. 8 (ω = 1); γ from the scripts and from ROLL",
    {"gamma": 0.95, "step_weight": 1.0, "episode_weight": 1.0},
)
_GIGPO = (Numbers("arXiv 2505.10978", {"rule.name": "gigpo"}), _LEVELS)
_VERL_AGENT_GIGPO = (
    Numbers(
        "verl-agent's `gigpo/core_gigpo.py`: statistics over rows, a lone row keeps its score; the"
        " standard deviation from the scripts' mode `mean_std_norm`",
        {"rule.name": "gigpo_verl_agent"},
    ),
    Numbers("verl-agent's trainer", {"penalties.mode": "row"}),
    _LEVELS,
)
_GRPO = Numbers("yaml; one reward per answer in the papers", {"rule.name": "grpo", "gamma": 1.0})
_ROW_PENALTY = Numbers("ours, for statistics over episodes", {"penalties.mode": "row"})
_NO_ENTROPY = "the papers' objectives have neither dual clip nor entropy bonus"
_NEITHER = Numbers(
    _NO_ENTROPY,
    {"policy_loss.name": "ppo", "policy_loss.dual_clip": None, "entropy_coeff": 0.0},
)
_GSPO_RANGES = Numbers(
    "arXiv 2507.18071, section 5.1", {"clip_param": 3e-4, "policy_loss.clip_param_high": 4e-4}
)
_DAPO_SCRIPT = "its script in verl, `recipe/dapo/run_dapo_qwen2.5_32b.sh`"
_RUN_ALFWORLD = "verl-agent, `examples/{}_trainer/run_alfworld.sh`"

# ---------------------------------------------------------------- the presets

PRESETS: Mapping[str, Preset] = {
    "gigpo-tiny": Preset(
        "a model of 0.3M parameters on two CPU cores: short prompts, the bare action as answer, no"
        " KL",
        "the main job of this project, [results](results/README.md)",
        (
            *_GIGPO,
            Numbers(
                "ours, [results](results/README.md)",
                {
                    "group_size": 8,
                    "num_groups": 8,
                    "penalties.format": 0.05,
                    "penalties.admissible": 0.05,
                    "lr": 5e-4,
                    "lr_schedule.name": "constant",
                    "lr_schedule.warmup_iterations": 2,
                    "kl_coeff": 0.0,
                    "entropy_coeff": 0.0,
                    "num_minibatches": 4,
                    "template": "compact",
                    "history_length": 3,
                    "action_tag": None,
                    "think_tag": None,
                    "max_prompt_tokens": 256,
                    "max_response_tokens": 12,
                    "eval_sampling.temperature": 1.0,
                },
            ),
        ),
    ),
    "gigpo-small-llm": Preset(
        "a pretrained model of about 0.1 to 0.5 billion parameters on CPUs: LoRA adapters, bfloat16"
        " where it is fast, many small groups, the bare action as answer, no KL",
        "runs with SmolLM2-135M on two CPU cores, [small models on CPUs](small_models.md)",
        (
            *_GIGPO,
            Numbers(
                "ours, SmolLM2-135M on two CPU cores: [small models on CPUs](small_models.md)",
                {
                    "autocast_dtype": "auto",
                    "engine_dtype": "float32",
                    "lora.rank": 32,
                    "lora.alpha": 32,
                    "group_size": 4,
                    "num_groups": 12,
                    "lr": 3e-4,
                    "lr_schedule.name": "constant",
                    "lr_schedule.warmup_iterations": 1,
                    "kl_coeff": 0.0,
                    "entropy_coeff": 0.002,
                    "num_minibatches": 2,
                    "micro_batch_tokens": 1024,
                    "max_prompt_tokens": 512,
                    "max_response_tokens": 24,
                    "eval_sampling.temperature": 1.0,
                },
            ),
            Numbers(
                "as in `gigpo-tiny`",
                {
                    "penalties.format": 0.05,
                    "penalties.admissible": 0.05,
                    "template": "compact",
                    "history_length": 3,
                    "action_tag": None,
                    "think_tag": None,
                },
            ),
        ),
    ),
    "gigpo-paper": Preset(
        "the paper's rule and objective (an average over steps), with the sizes of the scripts",
        "arXiv 2505.10978, section 5 and appendix",
        (
            *_SCRIPT,
            *_GIGPO,
            Numbers(
                "the 1/(NT) of the paper's objective", {"loss_aggregation": "seq_mean_token_mean"}
            ),
            Numbers("ours: penalties lower the step's reward", {"penalties.mode": "return"}),
        ),
    ),
    "gigpo-verl-agent": Preset(
        "the published code: statistics over rows after subtracting penalties, F = std",
        _RUN_ALFWORLD.format("gigpo"),
        (*_SCRIPT, *_VERL_AGENT_GIGPO),
    ),
    "gigpo-roll": Preset(
        "returns centred over rows, advantages whitened and clipped, no KL, no entropy bonus",
        "alibaba/ROLL, defaults of its agentic GiGPO",
        (
            *_GIGPO,
            Numbers(
                'ROLL\'s user guide, "Agentic GiGPO"',
                {
                    "rule.reward_normalization.grouping": "traj_group_id",
                    "rule.reward_normalization.method": "mean",
                    "advantages.whiten": True,
                    "advantages.clip": 0.2,
                    "kl_coeff": 0.0,
                    "entropy_coeff": 0.0,
                    "group_size": 8,
                    "num_groups": 128,
                    "num_epochs": 1,
                    "grad_clip": 1.0,
                },
            ),
            Numbers(
                "defaults of ROLL's `base_config.py`: `pg_clip`, `dual_clip_loss`, `loss_agg_mode`",
                {
                    "clip_param": 0.2,
                    "policy_loss.name": "ppo",
                    "policy_loss.dual_clip": None,
                    "loss_aggregation": "seq_mean_token_mean",
                },
            ),
        ),
    ),
    "gigpo-dapo": Preset(
        "`gigpo-verl-agent` with clip-higher and dynamic sampling",
        _RUN_ALFWORLD.format("gigpo_dynamic"),
        (
            *_SCRIPT,
            *_VERL_AGENT_GIGPO,
            Numbers(
                "script; 10 draws in all",
                {"policy_loss.clip_param_high": 0.28, "dynamic_sampling.max_resamples": 9},
            ),
        ),
    ),
    "gagpo": Preset(
        "GAE over the values of anchor groups instead of A^E, and one ratio for each answer",
        "arXiv 2605.13217, which we know from summaries; what they leave out keeps its default",
        (
            Numbers(
                "arXiv 2605.13217: values of states that were visited, without A^E",
                {"rule.name": "anchor_gae"},
            ),
            Numbers(
                "arXiv 2605.13217: one length-normalised ratio for each answer",
                {"policy_loss.name": "gspo", "loss_aggregation": "seq_mean_token_mean"},
            ),
            _GSPO_RANGES,
            Numbers(
                "ours: λ is not given, and λ = 1 lowers their success", {"rule.gae_lambda": 0.95}
            ),
            Numbers("γ as in GiGPO's scripts", {"gamma": 0.95}),
        ),
    ),
    "grpo": Preset(
        "statistics over episodes, no discount, F = std",
        _RUN_ALFWORLD.format("grpo"),
        (*_SCRIPT, _GRPO, _ROW_PENALTY),
    ),
    "dr-grpo": Preset(
        "no standard deviation, no length in the divisor, no KL",
        "arXiv 2503.20783",
        (
            _GRPO,
            _ROW_PENALTY,
            Numbers(
                "arXiv 2503.20783, section 3; `--beta 0` of its script",
                {
                    "rule.normalize_by_std": False,
                    "loss_aggregation.name": "seq_sum_norm",
                    "kl_coeff": 0.0,
                },
            ),
            Numbers(
                "ours; the paper's constant is the longest answer, 3000 in its script",
                {"loss_aggregation.constant": 512.0, "max_response_tokens": 512},
            ),
            Numbers(
                "sail-sg/understand-r1-zero, `examples/qwen2.5-math-7b.sh` (1,024 answers in"
                " mini-batches of 128)",
                {
                    "group_size": 8,
                    "num_groups": 128,
                    "num_minibatches": 8,
                    "num_epochs": 1,
                    "lr": 1e-6,
                    "eval_sampling.temperature": 0.0,
                },
            ),
            _NEITHER,
        ),
    ),
    "dapo": Preset(
        "GRPO with clip-higher, dynamic sampling, overlong filter and penalty, no KL",
        "arXiv 2503.14476",
        (
            _GRPO,
            _ROW_PENALTY,
            _NEITHER,
            Numbers(
                "arXiv 2503.14476, section 4.1",
                {
                    "clip_param": 0.2,
                    "policy_loss.clip_param_high": 0.28,
                    "group_size": 16,
                    "num_groups": 512,
                    "num_minibatches": 16,
                    "lr": 1e-6,
                    "lr_schedule.name": "constant",
                    "lr_schedule.warmup_iterations": 20,
                    "eval_sampling.temperature": 1.0,
                    "eval_sampling.top_p": 0.7,
                },
            ),
            Numbers(
                "arXiv 2503.14476, sections 2.3 and 3, table 1",
                {
                    "loss_aggregation": "token_mean",
                    "kl_coeff": 0.0,
                    "penalties.filter_overlong": True,
                    "penalties.overlong.weight": 1.0,
                },
            ),
            Numbers(
                f"arXiv 2503.14476, sections 2.3 and 3, table 1; 10 draws in all: {_DAPO_SCRIPT}",
                {"dynamic_sampling.max_resamples": 9},
            ),
            Numbers(_DAPO_SCRIPT, {"optim.name": "adamw", "optim.weight_decay": 0.1}),
            Numbers(
                "ours, in the paper's proportion (4,096 of 20,480)",
                {"penalties.overlong.buffer_tokens": 102, "max_response_tokens": 512},
            ),
        ),
    ),
    "gspo": Preset(
        "GRPO's advantages with one ratio per answer, no KL",
        "arXiv 2507.18071",
        (
            _GRPO,
            _ROW_PENALTY,
            _GSPO_RANGES,
            Numbers(
                "arXiv 2507.18071, section 5.1", {"policy_loss.name": "gspo", "num_minibatches": 4}
            ),
            Numbers(
                "arXiv 2507.18071, eq. 5",
                {"loss_aggregation": "seq_mean_token_mean", "kl_coeff": 0.0},
            ),
            Numbers(_NO_ENTROPY, {"entropy_coeff": 0.0}),
        ),
    ),
    "rloo": Preset(
        "each episode against the others of its group",
        _RUN_ALFWORLD.format("rloo"),
        (
            *_SCRIPT,
            Numbers("arXiv 2402.14740; yaml", {"rule.name": "rloo", "gamma": 1.0}),
            _ROW_PENALTY,
        ),
    ),
    "reinforce-pp": Preset(
        "one baseline and one scale for the whole batch, with the sizes of the scripts",
        "arXiv 2501.03262",
        (
            *_SCRIPT,
            Numbers("arXiv 2501.03262; yaml", {"rule.name": "reinforce_pp", "gamma": 1.0}),
            _ROW_PENALTY,
        ),
    ),
    "ppo": Preset(
        "a second model as critic, GAE over steps, whitening; no groups",
        "verl-agent, `examples/ppo_trainer`",
        (
            *_SCRIPT,
            # The same number of episodes as 16 groups of 8.
            Numbers(f"script: {_SIZES}", {"group_size": 1, "num_groups": 128}),
            Numbers(
                "yaml and script",
                {
                    "rule.name": "ppo",
                    "rule.gae_lambda": 1.0,
                    "gamma": 1.0,
                    "critic.name": "model",
                    "critic.lr": 1e-5,
                    "critic.vf_clip_param": 0.5,
                    "advantages.whiten": True,
                },
            ),
            _ROW_PENALTY,
        ),
    ),
    "istar": Preset(
        "step rewards from a second model that learns from outcomes; no KL",
        "arXiv 2509.19199 and its WebShop script",
        (
            Numbers(
                "arXiv 2509.19199: both levels are divided by their standard deviation",
                {"rule.name": "istar", "rule.normalize_by_std": True},
            ),
            Numbers(
                "its WebShop script",
                {
                    "process_reward.beta": 0.05,
                    "process_reward.lr": 1e-6,
                    "lr": 5e-7,
                    "kl_coeff": 0.0,
                },
            ),
            Numbers(
                "ours: the weights are not in what we read",
                {"step_weight": 1.0, "episode_weight": 1.0},
            ),
            _ROW_PENALTY,
        ),
    ),
    "hgpo": Preset(
        "groups that share up to three states in a row, longer prompts",
        "arXiv 2602.22817 and its published scripts",
        (
            *_SCRIPT,
            Numbers(
                "its scripts",
                {
                    "rule.name": "hgpo",
                    "rule.anchor_context": 2,
                    "rule.level_weight_alpha": 1.0,
                    "gamma": 0.95,
                    "penalties.mode": "row",
                    "max_prompt_tokens": 4096,
                },
            ),
            Numbers("scripts: mode `mean_std_norm`", {"rule.normalize_by_std": True}),
        ),
    ),
}


def preset_settings(name: str) -> dict[str, Any]:
    """Return the settings of a preset.

    Raises:
        ConfigError: There is no preset of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; use one of {', '.join(sorted(PRESETS))}.")
    return PRESETS[name].settings
