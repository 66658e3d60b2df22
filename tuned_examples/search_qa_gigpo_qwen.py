"""GiGPO on search-based question answering with Qwen2.5-7B-Instruct, on eight GPUs.

    rllib serve-retriever --corpus wiki.jsonl --port 8000
    QWEN_PATH=path/to/Qwen2.5-7B-Instruct QUESTIONS=train.jsonl TEST_QUESTIONS=test.jsonl \
        RETRIEVER_URL=http://127.0.0.1:8000/retrieve \
        rllib train file tuned_examples/search_qa_gigpo_qwen.py

Hyper-parameters are those of verl-agent's Search run: 256 groups of 5, prompts of 4,096 and answers
of 512 tokens, 4 turns, 3 passages a search, history 4, gamma 0.95, both levels divided by the
standard deviation, anchors similar from 0.9 on, invalid answers 0.01 at a win of 1, AdamW at 1e-6
after a warm-up of 10 %, KL 0.001 (k3), no entropy bonus, evaluation greedy every 50 iterations. Its
mini-batches of 512 rows are 10 at most, of 1,280 episodes with 4 turns each. Questions: NQ and
HotpotQA in FlashRAG's form; the published numbers need its index of Wikipedia (e5-base-v2 behind
the same request shape). Without QUESTIONS the world is made up, in this process.

``--dry-run`` needs neither GPU nor weights nor retriever: see textworld_gigpo_qwen.py. Untested on
GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import BlockParser

# The config and tokenizer that stand beside this file, of the 1.5B model, serve for the dry run.
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
    GiGPOConfig()
    .environment("rllib_gigpo.envs:SearchQA-v0", env_config=env_config)
    .tasks(num_test_tasks=512, max_episode_steps=4)
    .llm(
        model_path=model_path,
        autocast_dtype="bfloat16",
        gradient_checkpointing=True,
        max_prompt_tokens=4096,
        max_response_tokens=512,
    )
    .inference(engine_dtype="bfloat16", eval_temperature=0.0)
    .prompting(
        template="search_qa",
        history_length=4,
        action_tag=None,
        action_parser=BlockParser(["search", "answer"]),
    )
    .training(
        group_size=5,
        num_groups=256,
        gamma=0.95,
        step_weight=1.0,
        normalize_by_std=True,
        anchor="similar",
        anchor_threshold=0.9,
        format_penalty=0.01,
        lr=1e-6,
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
config.training(lr_warmup_iterations=num_iterations // 10)
stop = {"training_iteration": num_iterations}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
