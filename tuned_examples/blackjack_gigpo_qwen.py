"""GiGPO on Blackjack with a Qwen2.5 text model, on two GPUs.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/blackjack_gigpo_qwen.py

verl-agent's script trains Qwen2.5-VL-3B-Instruct on pictures of the cards; here a text model reads
them. The hyper-parameters are the script's: 32 groups of 8, prompts of 1,024 and answers of 512
tokens, 15 steps, no history, gamma 0.95, no division by the standard deviation, AdamW at a constant
1e-6, KL 0.01 (k3), entropy 0.001, evaluation at temperature 0.4, 0.1 for an invalid answer at a win
of 1. A hand takes one or two steps, so that about 400 rows make 12 optimiser steps of 32 rows.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import runpy
from pathlib import Path

ezpoints = runpy.run_path(str(Path(__file__).with_name("ezpoints_gigpo_qwen.py")))

# Model, GPUs and whatever is not named here are those of ezpoints_gigpo_qwen.py.
config = (
    ezpoints["config"]
    .environment("rllib_gigpo.envs:Blackjack-v0", env_config={"max_steps": 15})
    .tasks(num_train_tasks=4096, max_episode_steps=15)
    .training(num_groups=32, num_minibatches=12)
    .evaluation(evaluation_interval=10)
)

stop = {"training_iteration": 200}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
