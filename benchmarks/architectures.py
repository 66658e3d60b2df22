"""Train tiny models of many architectures: is the ratio on fresh data 1 before and after an update?

    python benchmarks/architectures.py [--only llama gemma2] [--figures]     (`make models`)

Each architecture gets a random model with the sizes below, in a separate process. GiGPO trains it
for two iterations with vLLM in that process, so the second iteration samples with weights that were
sent once. In float32 the ratio must be 1 up to 1e-4 in both. The table of docs/models.md is made
from docs/results/architectures.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "docs" / "results" / "architectures.json"
LIMIT = 1e-4  # of |ratio - 1| in float32
TIMEOUT_S = 240

# vLLM's attention on CPUs needs heads of at least 32.
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 512,
}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
# Architecture (transformers' model_type) -> settings of its configuration.
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "mistral": {**SIZES, "sliding_window": None},
    "qwen2": {**SIZES, "tie_word_embeddings": True},
    "qwen3": SIZES,
    "qwen2_moe": {**SIZES, **MOE, "shared_expert_intermediate_size": 64},
    "qwen3_moe": {**SIZES, **MOE},
    "mixtral": {**SIZES, "num_local_experts": 4},
    "olmoe": {**SIZES, "num_experts": 4, "num_experts_per_tok": 2},
    "gemma2": {**SIZES, "query_pre_attn_scalar": 32, "sliding_window": 512},
    "gemma3_text": {**SIZES, "query_pre_attn_scalar": 32, "sliding_window": 512},
    "gemma3": {
        "text_config": {
            **SIZES,
            "model_type": "gemma3_text",
            "query_pre_attn_scalar": 32,
            "sliding_window": 512,
        },
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": 28,
            "patch_size": 14,
        },
        "mm_tokens_per_image": 1,
    },
    "phi": {**SIZES, "num_key_value_heads": 2},  # a bias in the head
    "phi3": {**SIZES, "pad_token_id": 0, "sliding_window": None},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "gpt_neox": {**SIZES, "rotary_pct": 0.5},
    "opt": {**SIZES, "ffn_dim": 128, "word_embed_proj_dim": 64},
    "olmo2": SIZES,
    "granite": {**SIZES, "logits_scaling": 8.0, "residual_multiplier": 0.5},
    "cohere": {**SIZES, "logit_scale": 0.25},
    "starcoder2": {**SIZES, "sliding_window": None},
    "stablelm": SIZES,
    "smollm3": {**SIZES, "pad_token_id": 0},
    "glm4": {**SIZES, "pad_token_id": 0},
    "exaone4": {**SIZES, "sliding_window": None, "layer_types": ["full_attention"] * 2},
    "falcon_h1": {
        **SIZES,
        "lm_head_multiplier": 0.04,
        "mamba_d_ssm": 64,
        "mamba_n_heads": 2,
        "mamba_d_head": 32,
        "mamba_d_state": 16,
    },
    "ernie4_5": SIZES,
    "seed_oss": SIZES,
}


def save_model(name: str, folder: Path) -> None:
    """Write a random model of an architecture, with its tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    from rllib_gigpo.models.tiny_model import build_tokenizer

    words = "corridor left right go stop you are in a room system user assistant of"
    tokenizer = build_tokenizer([words] * 50, vocab_size=300)
    own = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.eos_token_id,
    }
    settings = dict(CONFIGS[name])
    if "text_config" in settings:
        settings["text_config"] = {**settings["text_config"], **own}
        own = {"eos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(name, **{**settings, **own})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float()
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
    with torch.no_grad():  # so that answers depend on the prompt
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def train(name: str) -> dict[str, Any]:
    """Train a new model of an architecture in this process, on a new local Ray."""
    import ray

    with tempfile.TemporaryDirectory() as folder:
        save_model(name, Path(folder))
        ray.init("local", num_cpus=2, log_to_driver=False, include_dashboard=False)
        return trained(folder)


def trained(folder: str) -> dict[str, Any]:
    """Train a model for two iterations, and return what its updates report."""
    from rllib_gigpo import GiGPOConfig

    config = (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3, "max_steps": 4})
        .llm(model_path=folder, max_prompt_tokens=256, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .tasks(num_train_tasks=4, num_test_tasks=2, max_episode_steps=4)
        .training(group_size=4, num_groups=2, num_minibatches=1, kl_coeff=0.0, lr=1e-2)
        .training(strict_ratio=False)
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    adapter = algorithm.learner_group._learner._causal_lm.adapter
    found, before = [], logits(adapter)
    for _ in range(2):
        metrics = algorithm.train()["learners"]["default_policy"]
        found.append(
            {
                "ratio": float(metrics["max_ratio_deviation_fresh"]),
                "grad_norm": float(metrics["grad_norm"]),
            }
        )
    result = {
        "moved": float((logits(adapter) - before).abs().max()),
        "class": type(adapter.model).__name__,
        "parameters": sum(p.numel() for p in adapter.model.parameters()),
        "own_head": adapter.has_own_head,
        "prefixes": algorithm.learner_group._learner.shares_prefixes,
        "iterations": found,
    }
    algorithm.stop()
    return result


def logits(adapter: Any) -> Any:
    """Return the log-probs of a few tokens, which show whether an update has an effect."""
    import torch

    with torch.no_grad():
        return adapter.own_logits(torch.arange(3, 11)[None]).float().log_softmax(-1)


def tried(name: str) -> dict[str, Any]:
    """Train an architecture in another process; return its answer, or the reason that it gave."""
    command = [sys.executable, __file__, "--train", name]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {TIMEOUT_S} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    return {"error": errors[-1] if errors else f"exit status {done.returncode}"}


def is_exact(result: dict[str, Any]) -> bool:
    """Whether both iterations had the ratio 1, and updates changed what the model says."""
    runs = result.get("iterations", [])
    are_one = [one["ratio"] <= LIMIT and one["grad_norm"] > 0 for one in runs]
    return are_one == [True, True] and result.get("moved", 0.0) > 100 * LIMIT


def main() -> None:
    """Try each architecture, and print a line for each."""
    from figures import Figure, add_figures_option, write_figures

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=sorted(CONFIGS), choices=sorted(CONFIGS))
    parser.add_argument("--train", choices=sorted(CONFIGS), help=argparse.SUPPRESS)
    add_figures_option(parser)
    args = parser.parse_args()
    if args.train:
        print(json.dumps(train(args.train)))
        return
    results = {}
    for name in args.only:
        results[name] = result = tried(name)
        verdict = "exact" if is_exact(result) else "NOT"
        print(f"{name:14s} {verdict:6s} {json.dumps(result)}", flush=True)
    num_exact = sum(map(is_exact, results.values()))
    print(f"{num_exact} of {len(results)} architectures are exact")
    if args.figures:
        FILE.write_text(json.dumps(results, indent=1) + "\n")
        write_figures([Figure(18, "architectures_ok", num_exact, ">= 15", len(results))])


if __name__ == "__main__":
    main()
