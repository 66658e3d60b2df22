"""Measure what a conversation costs: the Learner by turns, and what the engine has cached.

    python benchmarks/conversations.py [--figures]

Learner: updates on episodes of 10 and of 40 turns, with equally many tokens a turn, in turns in
one process; the seconds of an episode are medians. The share of attention in the work depends on
the layers' shape, so there are two models with random weights: two layers of Qwen2.5-1.5B's shape,
and SmolLM2-135M's shape with five of its 30 layers.
Engine: TextWorld's coin collector with 20 turns at most, played by the tiny model after a short
warm start; the share of prompt tokens that vLLM took from its cache, and the largest deviation
from 1 of PPO's ratio on fresh data, in float32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from figures import Figure, add_figures_option, result_figures, write_figures
from learner import make_learner
from transformers import Qwen2Config, Qwen2ForCausalLM

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.training_rows import TrainingRows

ISSUE = 15
VOCAB = 8192
SHAPES: dict[str, dict[str, int]] = {
    "qwen2.5_1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 2,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
    "smollm2": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 5,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
}
NUM_EPISODES, OPENING_TOKENS, MESSAGE_TOKENS, ANSWER_TOKENS = 2, 60, 45, 10
MAIN_SHAPE = "qwen2.5_1.5b"
SHORT, LONG, CHAT_TURNS = 10, 40, 20


def conversation_rows(num_turns: int) -> TokenRows:
    """Draw the rows of `NUM_EPISODES` conversations of one task: one row a turn."""
    rng = np.random.default_rng(0)
    opening = rng.integers(0, VOCAB, OPENING_TOKENS).tolist()
    prompts, responses, episodes = [], [], []
    for episode in range(NUM_EPISODES):
        chat = list(opening)
        for _ in range(num_turns):
            answer = rng.integers(0, VOCAB, ANSWER_TOKENS).tolist()
            prompts.append(list(chat))
            responses.append(answer)
            episodes.append(episode)
            chat += answer + rng.integers(0, VOCAB, MESSAGE_TOKENS).tolist()
    num_tokens = len(responses) * ANSWER_TOKENS
    return TokenRows.from_rows(
        prompts,
        responses,
        rollout_logp=[np.full(ANSWER_TOKENS, -np.log(VOCAB))] * len(responses),
        advantages=rng.normal(size=num_tokens),
        minibatch_ids=np.zeros(len(responses), dtype=np.int64),
        num_minibatches=1,
        group_ids=np.zeros(len(responses), dtype=np.int64),
    )


def save_random_model(folder: str, shape: dict[str, int]) -> None:
    """Write a Qwen2 of a shape with random weights."""
    torch.manual_seed(0)
    config = Qwen2Config(
        **shape, vocab_size=VOCAB, tie_word_embeddings=True, max_position_embeddings=4096
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def episode_seconds(shape: dict[str, int], repeats: int) -> dict[int, float]:
    """Time updates on short and long conversations; return the seconds of an episode, by turns."""
    args = argparse.Namespace(attention="sdpa", minibatches=1, micro_batch_tokens=4096)
    batches = {turns: conversation_rows(turns) for turns in (SHORT, LONG)}
    seconds: dict[int, list[float]] = {turns: [] for turns in batches}
    with tempfile.TemporaryDirectory() as folder:
        save_random_model(folder, shape)
        learner = make_learner(folder, args, entropy_coeff=0.0, prefix_sharing="auto")
        for repeat in range(repeats + 1):
            for turns, rows in batches.items():
                start = time.perf_counter()
                learner.update(training_data=TrainingRows(rows=rows))
                if repeat:
                    seconds[turns].append((time.perf_counter() - start) / NUM_EPISODES)
    return {turns: statistics.median(times) for turns, times in seconds.items()}


def play() -> dict[str, float]:
    """Play and train one iteration of conversations; return the engine's share and the ratio."""
    import ray

    from rllib_gigpo import GiGPOConfig

    game = {"challenge": "coin_collector", "level": 10, "observation": "description"}
    config = (
        GiGPOConfig.preset("gigpo-tiny")
        .environment("rllib_gigpo.envs:TextWorld-v0", env_config={**game, "max_steps": CHAT_TURNS})
        .prompting(style="conversation")
        .llm(max_prompt_tokens=3072)
        .tasks(num_train_tasks=16, max_episode_steps=CHAT_TURNS)
        .training(num_groups=2)
        .warm_start(
            env_config={"expert": True},
            demonstrations={"random_label_probability": 0.8},
            tiny_model={"max_position_embeddings": 4096},
            fit={"num_epochs": 2},
        )
        .debugging(seed=0)
    )
    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = config.build_algo()
    try:
        result = algorithm.train()
    finally:
        algorithm.stop()
    runners, learner = result["env_runners"], result["learners"]["default_policy"]
    return {
        "turns": runners["episode_len_mean"],
        "cached": runners["prompt_cached_share"],
        "resets": runners["context_reset_rate"],
        "ratio": learner["max_ratio_deviation_fresh"],
        "shared": learner["shared_fraction"],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args(argv)
    seconds = {name: episode_seconds(shape, args.repeats) for name, shape in SHAPES.items()}
    ratios = {name: times[LONG] / times[SHORT] for name, times in seconds.items()}
    print(f"Learner, seconds an episode by turns: {seconds}, ratios {ratios}")
    played = play()
    print(f"one iteration of conversations: {played}")
    if args.json:
        import json

        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"seconds": seconds, "played": played}, indent=1))
    if args.figures:
        write_figures(
            [
                Figure(
                    ISSUE, "conversation_40_over_10", ratios[MAIN_SHAPE], "<= 4.5", args.repeats
                ),
                *result_figures("conversation_40_over_10", ratios, n=args.repeats, issue=ISSUE),
                Figure(ISSUE, "conversation_cached", played["cached"], ">= 0.8"),
                Figure(ISSUE, "conversation_cached/turns", played["turns"]),
                Figure(ISSUE, "ratio_fresh_conversation", played["ratio"], "<= 1e-4"),
                Figure(ISSUE, "conversation_shared", played["shared"]),
            ]
        )


if __name__ == "__main__":
    main()
