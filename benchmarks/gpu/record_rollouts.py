"""Record rollouts of whole groups, for benchmarks that run where nothing can be played.

    python benchmarks/gpu/record_rollouts.py

Trains the main job and keeps the token rows of some iterations, early and late: about 5 minutes on
two CPU cores. Then plays ALFWorld with the prompts of tuned_examples/qwen/alfworld_gigpo_qwen.py:
8 episodes of one generated task, as an agent early in training and a trained one play it. No
language model plays there. Each turn takes the expert's action or a random one, and the thought
before it is made of the facts of the turn in random order, so that answers have about the length of
a model's, and answers to the same prompt differ. Log-probs and advantages of these rows are random,
and the tokenizer is fitted to the texts.

`rollout_files.py` describes the file.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from rollout_files import ROLLOUTS, read_rollouts, write_rollouts

from rllib_gigpo.batch.token_rows import TokenRows

EXPERIMENTS = Path(__file__).parents[2] / "tuned_examples"
ITERATIONS = (1, 11, 21, 31)
NUM_EPISODES, MAX_STEPS = 8, 20
EXPERT_SHARES = {"early": 0.4, "late": 0.9}  # of the turns; the other actions are random
ALFWORLD_SEED = 3  # a kitchen with 29 places, so that prompts are long
VOCAB_SIZE = 400  # small, so that prompts are as long as those of verl-agent: 500 to 1,000 tokens
_NUM_CPUS, _OBJECT_STORE_BYTES = 2, 100 * 2**20


def main() -> None:
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROLLOUTS)
    parser.add_argument("--keep-main-job", action="store_true", help="record only ALFWorld again")
    args = parser.parse_args()
    long_rows = {
        f"alfworld/{name}": alfworld_rows(seed=ALFWORLD_SEED, expert_share=share)
        for name, share in EXPERT_SHARES.items()
    }
    rollouts = dict(kept_rows(args.output) if args.keep_main_job else main_job_rows()) | long_rows
    write_rollouts(args.output, rollouts)
    for name, rows in rollouts.items():
        print(describe(name, rows))
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")


def describe(name: str, rows: TokenRows) -> str:
    """Return the sizes of some rows in one line."""
    lengths = rows.prompt_lengths
    return (
        f"{name}: {rows.num_rows} rows, {len(rows.token_ids):,} tokens, prompts of"
        f" {lengths.min()} to {lengths.max()}, responses of {rows.response_lengths.mean():.0f}"
    )


# ---------------------------------------------------------------- the main job


def kept_rows(path: Path) -> dict[str, TokenRows]:
    """Read the rows of the main job from an older file."""
    return {n: rows for n, rows in read_rollouts(path).items() if n.startswith("main_job/")}


def main_job_rows() -> Iterator[tuple[str, TokenRows]]:
    """Train the main job and yield the rows of the `ITERATIONS`."""
    import ray

    ray.init(
        address="local",
        num_cpus=_NUM_CPUS,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
    )
    config = runpy.run_path(str(EXPERIMENTS / "tiny" / "textworld_gigpo_tiny.py"))["config"]
    algorithm = config.build_algo()
    for iteration in range(1, max(ITERATIONS) + 1):
        algorithm.train()
        print(f"main job: iteration {iteration}", flush=True)
        if iteration in ITERATIONS:
            yield f"main_job/iteration_{iteration}", algorithm.last_batch["token_rows"]
    algorithm.stop()
    ray.shutdown()


# ---------------------------------------------------------------- ALFWorld


def alfworld_rows(*, seed: int, expert_share: float) -> TokenRows:
    """Play one group of ALFWorld, with this share of expert actions, and return its rows."""
    import gymnasium

    from rllib_gigpo.connectors.pipelines import prompt_renderer
    from rllib_gigpo.models.tiny_model import build_tokenizer
    from rllib_gigpo.prompting.memory import LastSteps
    from rllib_gigpo.prompting.renderer import PromptRenderer

    config = runpy.run_path(str(EXPERIMENTS / "qwen" / "alfworld_gigpo_qwen.py"))["config"]
    settings = config.settings
    published = prompt_renderer(settings)
    memory = settings.prompts.memory or LastSteps(settings.prompts.history_length)
    env = gymnasium.make("rllib_gigpo.envs:ALFWorld-v0", data_dir=None, max_steps=MAX_STEPS)
    turns = [
        turn
        for episode in range(NUM_EPISODES)
        for turn in play(env, memory, seed=seed, expert_share=expert_share, rng=_rng(seed, episode))
    ]
    env.close()
    texts = [published.template.render(inputs) + answer for inputs, answer in turns]
    tokenizer = build_tokenizer(texts, VOCAB_SIZE)
    renderer = PromptRenderer(
        tokenizer, published.template, max_prompt_tokens=settings.model.max_prompt_tokens
    )
    prompts = [renderer.render(inputs).token_ids for inputs, _ in turns]
    responses = [tokenizer(answer)["input_ids"] + [tokenizer.eos_token_id] for _, answer in turns]
    rng = _rng(seed, NUM_EPISODES)
    lengths = [len(response) for response in responses]
    return TokenRows.from_rows(
        prompts,
        responses,
        rollout_logp=[-rng.random(length) for length in lengths],
        advantages=np.repeat(rng.normal(size=len(turns)), lengths),
        minibatch_ids=np.zeros(len(turns), dtype=np.int32),
        num_minibatches=1,
        group_ids=np.zeros(len(turns), dtype=np.int32),
    )


def play(
    env: Any, memory: Any, *, seed: int, expert_share: float, rng: np.random.Generator
) -> Iterator[Any]:
    """Play one episode and yield (facts of the prompt, answer) of each turn."""
    from rllib_gigpo.prompting.memory import PastStep
    from rllib_gigpo.prompting.template import PromptInputs

    observation, info = env.reset(seed=seed)
    past: list[PastStep] = []
    for step in range(1, MAX_STEPS + 1):
        actions = tuple(info["admissible_actions"])
        expert = info.get("expert_action")
        is_expert = expert is not None and rng.random() < expert_share
        action = expert if is_expert else actions[rng.integers(len(actions))]
        inputs = PromptInputs(
            observation, info["task"], actions, tuple(memory.recall(past)), step=step
        )
        yield inputs, answer_of(inputs, action, rng)
        past.append(PastStep(step, observation, action))
        observation, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return


def answer_of(inputs: Any, action: str, rng: np.random.Generator) -> str:
    """Return an answer with a thought about the turn and an action."""
    tried = ", then ".join(turn.action for turn in inputs.history) or "nothing yet"
    facts = (
        f"The task is: {inputs.task}",
        f"So far I tried {tried}.",
        f"I see: {inputs.observation}",
        f"Of {len(inputs.admissible_actions)} actions, the best next step is to {action}.",
    )
    thought = " ".join(facts[index] for index in rng.permutation(len(facts)))
    return f"<think>{thought}</think><action>{action}</action>"


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


if __name__ == "__main__":
    main()
