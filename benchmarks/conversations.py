"""Measure what a conversation costs: the Learner by turns, and what the engine has cached.

    python benchmarks/conversations.py [--figures]

Learner: updates on episodes of 10 and of 40 turns, with equally many tokens a turn, in turns in
one process; the seconds of an episode are medians. The model is a random Qwen2 of 10M parameters.
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
from figures import Figure, add_figures_option, write_figures
from learner import make_learner, save_model

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.training_rows import TrainingRows

ISSUE = 15
SIZES = {"hidden": 320, "layers": 6, "vocab": 8192}
NUM_EPISODES, OPENING_TOKENS, MESSAGE_TOKENS, ANSWER_TOKENS = 8, 60, 45, 10
SHORT, LONG, CHAT_TURNS = 10, 40, 20


def conversation_rows(num_turns: int) -> TokenRows:
    """Draw the rows of `NUM_EPISODES` conversations of one task: one row a turn."""
    rng = np.random.default_rng(0)
    opening = rng.integers(0, SIZES["vocab"], OPENING_TOKENS).tolist()
    prompts, responses, episodes = [], [], []
    for episode in range(NUM_EPISODES):
        chat = list(opening)
        for _ in range(num_turns):
            answer = rng.integers(0, SIZES["vocab"], ANSWER_TOKENS).tolist()
            prompts.append(list(chat))
            responses.append(answer)
            episodes.append(episode)
            chat += answer + rng.integers(0, SIZES["vocab"], MESSAGE_TOKENS).tolist()
    num_tokens = len(responses) * ANSWER_TOKENS
    return TokenRows.from_rows(
        prompts,
        responses,
        rollout_logp=[np.full(ANSWER_TOKENS, -np.log(SIZES["vocab"]))] * len(responses),
        advantages=rng.normal(size=num_tokens),
        minibatch_ids=np.zeros(len(responses), dtype=np.int64),
        num_minibatches=1,
        group_ids=np.zeros(len(responses), dtype=np.int64),
    )


def episode_seconds(repeats: int) -> dict[int, list[float]]:
    """Time updates on short and long conversations; return the seconds of an episode, by turns."""
    args = argparse.Namespace(
        **SIZES, seed=0, attention="sdpa", minibatches=1, micro_batch_tokens=16384
    )
    batches = {turns: conversation_rows(turns) for turns in (SHORT, LONG)}
    seconds: dict[int, list[float]] = {turns: [] for turns in batches}
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder, args)
        learner = make_learner(folder, args, entropy_coeff=0.0, prefix_sharing="auto")
        for repeat in range(repeats + 1):
            for turns, rows in batches.items():
                start = time.perf_counter()
                learner.update(training_data=TrainingRows(rows=rows))
                if repeat:
                    seconds[turns].append((time.perf_counter() - start) / NUM_EPISODES)
    return seconds


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
    seconds = {turns: statistics.median(s) for turns, s in episode_seconds(args.repeats).items()}
    ratio = seconds[LONG] / seconds[SHORT]
    print(f"Learner, seconds an episode: {seconds}, ratio {ratio:.2f}")
    played = play()
    print(f"one iteration of conversations: {played}")
    if args.json:
        import json

        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"seconds": seconds, "played": played}, indent=1))
    if args.figures:
        write_figures(
            [
                Figure(ISSUE, "conversation_40_over_10", ratio, "<= 4.5", args.repeats),
                Figure(ISSUE, "conversation_cached", played["cached"], ">= 0.8"),
                Figure(ISSUE, "conversation_cached/turns", played["turns"]),
                Figure(ISSUE, "ratio_fresh_conversation", played["ratio"], "<= 1e-4"),
                Figure(ISSUE, "conversation_shared", played["shared"]),
            ]
        )


if __name__ == "__main__":
    main()
