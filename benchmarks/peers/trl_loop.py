"""Whole iterations of TRL's GRPO with a multi-turn loop, on the environment of the main job.

TRL has two ways to play an environment. ``environment_factory`` needs a model that calls tools,
which the job's model does not (see trl_limits.py). `Rollouts` therefore is a ``rollout_func``: TRL
gives it prompts and takes one row for each episode. Its generation is the one of TRL's tool loop.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gymnasium
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOTrainer
from trl_learner import StepTimer, settings

from rllib_gigpo.prompting import ActionParser, PromptInputs, PromptRenderer, PromptTemplate


class Episode:
    """One episode and its row: a prompt, then answers and what the environment says to them.

    Attributes:
        prompt_ids: The first prompt.
        completion_ids: All later tokens.
        env_mask: 1 for each token of an answer, 0 for the others; as long as completion_ids.
        episode_return: The sum of the rewards.
        num_steps: The number of answers.
        is_won: Whether the task is solved.
        is_done: Whether the episode has ended.
    """

    def __init__(self, env: gymnasium.Env, renderer: PromptRenderer) -> None:
        """Store the parts; `reset` starts an episode."""
        self._env, self._renderer = env, renderer
        self._parser = ActionParser(action_tag=None, think_tag=None)

    def reset(self, seed: int) -> None:
        """Start the task of ``seed``."""
        self._observation, self._info = self._env.reset(seed=seed)
        self.episode_return, self.num_steps = 0.0, 0
        self.is_won = self.is_done = False
        self.prompt_ids = self._turn_ids()
        self.completion_ids: list[int] = []
        self.env_mask: list[int] = []

    @property
    def context_ids(self) -> list[int]:
        """The tokens that the next answer continues: the whole conversation."""
        return self.prompt_ids + self.completion_ids

    def answer(self, token_ids: list[int], text: str, end_ids: list[int]) -> None:
        """Play the answer of the model, and append it and the next turn to the row.

        Args:
            token_ids: The tokens of the answer.
            text: The same as text.
            end_ids: What the chat template writes between an answer and the next message.
        """
        action = self._parser.parse(text, self._info["admissible_actions"]).action
        self._observation, reward, terminated, truncated, self._info = self._env.step(action)
        self.episode_return += reward
        self.num_steps += 1
        self.is_won, self.is_done = self._info["won"], terminated or truncated
        self._append(token_ids, is_answer=True)
        if not self.is_done:
            is_ended = token_ids[-1:] == end_ids[:1]
            self._append([*end_ids[is_ended:], *self._turn_ids()], is_answer=False)

    def _append(self, token_ids: list[int], *, is_answer: bool) -> None:
        self.completion_ids += token_ids
        self.env_mask += [int(is_answer)] * len(token_ids)

    def _turn_ids(self) -> list[int]:
        """Render this turn's message; only the first one states the task."""
        inputs = PromptInputs(
            observation=self._observation,
            task="" if self.num_steps else self._info["task"],
            admissible_actions=tuple(self._info["admissible_actions"]),
            step=self.num_steps + 1,
        )
        return list(self._renderer.render(inputs).token_ids)


class Rollouts:
    """A ``rollout_func``: plays one episode for each prompt, all in step.

    Attributes:
        seconds: Seconds of each call.
        num_steps: Steps of each call.
        success_rates: Share of solved episodes of each call.
        longest_row: Tokens of the longest row of all calls.
    """

    def __init__(self, job: dict[str, Any], model_folder: str) -> None:
        """Prepare the prompts for the tokenizer in ``model_folder``; environments come later."""
        self._job = job
        self._tokenizer = AutoTokenizer.from_pretrained(model_folder)
        self._renderer = PromptRenderer(
            self._tokenizer,
            PromptTemplate.from_name_or_source(job["template"]),
            max_prompt_tokens=job["max_prompt_tokens"],
            action_tag=None,
            think_tag=None,
        )
        self._end_ids = self._tokenizer.encode(f"{self._tokenizer.eos_token}\n")
        self._episodes: list[Episode] = []
        self.seconds: list[float] = []
        self.num_steps: list[int] = []
        self.success_rates: list[float] = []
        self.longest_row = 0

    def __call__(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        """Play the seeds that the prompts name; see TRL's ``rollout_func``."""
        start = time.perf_counter()
        episodes = self._reset([int(prompt) for prompt in prompts])
        while running := [episode for episode in episodes if not episode.is_done]:
            contexts = [episode.context_ids for episode in running]
            answers, _ = trainer._generate_single_turn(contexts, None, {}, num_generations=1)
            texts = self._tokenizer.batch_decode(answers, skip_special_tokens=True)
            for episode, answer, text in zip(running, answers, texts, strict=True):
                episode.answer(answer, text, self._end_ids)
        self._count(episodes, time.perf_counter() - start)
        return {
            "prompt_ids": [episode.prompt_ids for episode in episodes],
            "completion_ids": [episode.completion_ids for episode in episodes],
            "env_mask": [episode.env_mask for episode in episodes],
            "logprobs": None,  # TRL's generation without vLLM returns none either
            "episode_return": [episode.episode_return for episode in episodes],
        }

    def _reset(self, seeds: list[int]) -> list[Episode]:
        for _ in range(len(seeds) - len(self._episodes)):
            env = gymnasium.make(self._job["env"], **self._job["env_config"])
            self._episodes.append(Episode(env, self._renderer))
        for episode, seed in zip(self._episodes, seeds, strict=True):
            episode.reset(seed)
        return self._episodes

    def _count(self, episodes: list[Episode], seconds: float) -> None:
        rows = [len(episode.prompt_ids) + len(episode.completion_ids) for episode in episodes]
        self.longest_row = max(self.longest_row, *rows)
        self.seconds.append(seconds)
        self.num_steps.append(sum(episode.num_steps for episode in episodes))
        self.success_rates.append(sum(episode.is_won for episode in episodes) / len(episodes))


def episode_returns(prompts: list[str], episode_return: list[float], **kwargs: Any) -> list[float]:
    """Return the rewards of the rows, in TRL's form of a reward function."""
    return episode_return


def make_trainer(
    folder: Path,
    job: dict[str, Any],
    rollouts: Any,
    *,
    updates: int,
    accumulation: int = 1,
    **trainer: Any,
) -> GRPOTrainer:
    """Build TRL's trainer with as many groups, episodes and optimiser steps as the job has.

    Args:
        folder: The recorded job.
        job: Its facts.
        rollouts: TRL's ``rollout_func``.
        updates: The number of iterations.
        accumulation: Micro-batches of one optimiser step.
        **trainer: Further arguments of `GRPOTrainer`.
    """
    model_folder, num_steps = str(folder / "early_model"), job["num_minibatches"]
    num_episodes = job["group_size"] * job["num_groups"]
    first = job["first_train_task"]
    seeds = range(first, first + job["num_train_tasks"])
    return GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(model_folder),
        reward_funcs=episode_returns,
        args=settings(
            job,
            per_device_train_batch_size=num_episodes // (num_steps * accumulation),
            gradient_accumulation_steps=accumulation,
            steps_per_generation=num_steps * accumulation,
            num_generations=job["group_size"],
            max_steps=num_steps * updates,
        ),
        train_dataset=Dataset.from_dict({"prompt": [str(seed) for seed in seeds]}),
        rollout_func=rollouts,
        **trainer,
    )


def time_loop(
    folder: Path, job: dict[str, Any], iterations: int, *, accumulation: int
) -> dict[str, Any]:
    """Time whole iterations from the job's start model, after one untimed iteration.

    An iteration is a rollout, the log-probs that its optimiser steps compare with, and these steps.
    """
    rollouts = Rollouts(job, str(folder / "early_model"))
    timer = StepTimer(job["num_minibatches"])
    make_trainer(
        folder,
        job,
        rollouts,
        updates=iterations + 1,
        accumulation=accumulation,
        callbacks=[timer],
    ).train()
    num_episodes = job["group_size"] * job["num_groups"]
    columns = zip(
        timer.clock.seconds["wall_s"],
        rollouts.seconds,
        rollouts.num_steps,
        rollouts.success_rates,
        strict=True,
    )
    lines = [
        {
            "seconds": seconds,
            "rollout_s": rollout_s,
            "update_s": seconds - rollout_s,
            "num_episodes": num_episodes,
            "num_steps": num_steps,
            "success_rate": success_rate,
        }
        for seconds, rollout_s, num_steps, success_rate in columns
    ]
    return {"iterations": lines[1:], "longest_row": rollouts.longest_row}
