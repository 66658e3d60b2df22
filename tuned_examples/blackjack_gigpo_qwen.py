"""GiGPO on Blackjack with a Qwen2.5 text model, on two GPUs, after the published run.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/blackjack_gigpo_qwen.py

Everything but the game, its length and the number of groups and optimiser steps is as in
ezpoints_gigpo_qwen.py; so are the differences from verl-agent's run. A win earns 1 there too, and
an invalid answer costs the preset's penalty. A hand takes one or two steps, so that about 400 rows
make 12 optimiser steps, where verl-agent has one for each 32 rows.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import runpy
from pathlib import Path

ezpoints = runpy.run_path(str(Path(__file__).with_name("ezpoints_gigpo_qwen.py")))

config = (
    ezpoints["config"]
    .environment("rllib_gigpo.envs:Blackjack-v0", env_config={"max_steps": 15})
    .tasks(num_train_tasks=4096, max_episode_steps=15)
    .training(num_groups=32, num_minibatches=12)
    .evaluation(evaluation_interval=10)
)

stop = {"training_iteration": 200}
