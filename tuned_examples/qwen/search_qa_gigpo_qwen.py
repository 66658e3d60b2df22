"""GiGPO on question answering with search, on eight GPUs, following verl-agent's Search run.

    rllib serve-retriever --corpus wiki.jsonl --port 8000
    QWEN_PATH=path/to/Qwen2.5-7B-Instruct QUESTIONS=train.jsonl TEST_QUESTIONS=test.jsonl \
        RETRIEVER_URL=http://127.0.0.1:8000/retrieve \
        rllib train file tuned_examples/qwen/search_qa_gigpo_qwen.py

Use the questions of NQ and HotpotQA in FlashRAG's format. The published numbers need FlashRAG's
index of Wikipedia (e5-base-v2, served with the same request format).

The preset holds verl-agent's settings for ALFWorld; this file changes those that differ for Search.
Differences: texts are compared by the indel ratio, which is much faster than Python's difflib, so
the threshold has another meaning; an iteration has 10 optimiser steps, while verl-agent takes one
for every 512 rows (10 for 1,280 episodes of 4 turns); long prompts lose their history first, while
verl-agent cuts them on the left.
"""

import os

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import BlockParser
from rllib_gigpo.recipes import qwen_on_gpus

env_config = {"max_turns": 4, "top_k": 3, "anchor": "information"}
if "QUESTIONS" in os.environ:
    if "RETRIEVER_URL" not in os.environ:
        raise ConfigError(
            "QUESTIONS is set but RETRIEVER_URL is not; start a service (rllib serve-retriever "
            "--corpus wiki.jsonl --port 8000) and set RETRIEVER_URL=http://127.0.0.1:8000/retrieve"
        )
    env_config |= {
        "questions": os.environ["QUESTIONS"],
        "test_questions": os.environ.get("TEST_QUESTIONS"),
        "retriever": {
            "url": os.environ["RETRIEVER_URL"],
            "request_timeout_s": 60.0,
            "search_timeout_s": 240.0,
        },
    }

# About one pass over the 170k training questions; the learning rate warms up in the first tenth.
stop = {"training_iteration": 660}
config = (
    qwen_on_gpus("gigpo-verl-agent", beside=__file__, num_gpus=8)
    .environment("rllib_gigpo.envs:SearchQA-v0", env_config=env_config)
    .tasks(num_test_tasks=512, max_episode_steps=4)
    .llm(max_prompt_tokens=4096)
    .inference(eval_sampling={"temperature": 0.0})
    .prompting(
        template="search_qa",
        history_length=4,
        action_tag=None,
        action_parser=BlockParser(["search", "answer"]),
    )
    .training(
        group_size=5,
        num_groups=256,
        anchor={"name": "similar", "threshold": 0.9},
        penalties={"format": 0.01},
        kl_coeff=0.001,
        entropy_coeff=0.0,
        num_minibatches=10,
        lr_schedule={"warmup_iterations": 66},
    )
    .env_runners(num_env_workers=4)
    .evaluation(evaluation_interval=50)
)
