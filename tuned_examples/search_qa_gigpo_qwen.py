"""GiGPO on search-based question answering with Qwen2.5-7B-Instruct, on eight GPUs.

    rllib serve-retriever --corpus wiki.jsonl --port 8000
    QWEN_PATH=path/to/Qwen2.5-7B-Instruct QUESTIONS=train.jsonl TEST_QUESTIONS=test.jsonl \
        RETRIEVER_URL=http://127.0.0.1:8000/retrieve \
        rllib train file tuned_examples/search_qa_gigpo_qwen.py

Questions: NQ and HotpotQA in FlashRAG's form; the published numbers need its index of Wikipedia
(e5-base-v2 behind the same request shape). Without QUESTIONS the world is made up, in this process.

The preset has the settings of verl-agent's ALFWorld run; what its Search run changes stands below:
256 groups of 5, longer prompts, four turns with all of them in the prompt, similar anchors, a lower
penalty and KL, no entropy bonus, a warm-up of a tenth, greedy evaluation. What differs from that
run: texts are compared by the indel ratio, which is much faster than Python's difflib, so that the
threshold means something else; an iteration has 10 optimiser steps, where verl-agent has one for
each 512 rows (10 for 1,280 episodes of 4 turns); prompts lose their history first, where verl-agent
cuts them on the left. docs/algorithms.md says what differs in every run.

``--dry-run`` needs neither GPU nor weights nor retriever: see textworld_gigpo_qwen.py. Untested on
GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import BlockParser

# Without weights the config and tokenizer of the 1.5B model, among the examples, serve the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))
env_config = {"max_turns": 4, "top_k": 3, "anchor": "information"}
if "QUESTIONS" in os.environ:
    if "RETRIEVER_URL" not in os.environ:
        raise ConfigError(
            "QUESTIONS is set and RETRIEVER_URL is not: start a service (rllib serve-retriever "
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

config = (
    GiGPOConfig.preset("gigpo-verl-agent")
    .environment("rllib_gigpo.envs:SearchQA-v0", env_config=env_config)
    .tasks(num_test_tasks=512, max_episode_steps=4)
    .llm(
        model_path=model_path,
        autocast_dtype="bfloat16",
        gradient_checkpointing=True,
        max_prompt_tokens=4096,
    )
    .inference(engine_dtype="bfloat16", eval_sampling={"temperature": 0.0})
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
        micro_batch_tokens=32768,
    )
    .env_runners(num_env_runners=4, num_gpus_per_env_runner=1, num_env_workers=4)
    .learners(num_learners=4, num_gpus_per_learner=1)
    .evaluation(evaluation_interval=50)
    .debugging(seed=0)
)

# About one pass over the 170k training questions; a tenth of it warms up.
num_iterations = 660
config.training(lr_schedule={"warmup_iterations": num_iterations // 10})
stop = {"training_iteration": num_iterations}
