"""GiGPO on TextWorld's cooking games with Qwen2.5-1.5B-Instruct, on two GPUs.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/textworld_gigpo_qwen.py

Nobody has published a run on these games. The preset is verl-agent's ALFWorld run with the same
model; as in alfworld_gigpo_qwen.py a win earns 1 instead of 10, and an invalid answer costs a tenth
of verl-agent's penalty. So does an action that is not admissible, which costs nothing there.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config of the published
# model, without weights, comes with the examples: it is enough for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))

config = (
    GiGPOConfig.preset("gigpo-verl-agent")
    .environment(
        "rllib_gigpo.envs:TextWorld-v0",
        env_config={"challenge": "cooking", "max_steps": 50},
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128)
    .llm(model_path=model_path, autocast_dtype="bfloat16", gradient_checkpointing=True)
    .inference(engine_dtype="bfloat16")
    .prompting(template="textworld", require_think=True)
    .training(
        penalties={"format": 0.01, "admissible": 0.01},
        num_minibatches=25,
        micro_batch_tokens=32768,
    )
    .env_runners(num_env_runners=1, num_gpus_per_env_runner=1, num_env_workers=8)
    .learners(num_learners=1, num_gpus_per_learner=1)
    .evaluation(evaluation_interval=5)
    .debugging(seed=0)
)

stop = {"training_iteration": 150}
