"""GiGPO on NumberLine with a Qwen2.5 text model, on two GPUs, after the published run.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/numberline_gigpo_qwen.py

Everything but the game, its length and the optimiser steps is as in ezpoints_gigpo_qwen.py; so are
the differences from verl-agent's run, which trains Qwen2-VL-2B-Instruct on pictures of the two
numbers. A win earns 1 there too, and an invalid answer costs the preset's penalty. An iteration has
80 optimiser steps, where verl-agent has one for each 16 rows (80 for 1,280 rows, the most there can
be). There are 30 different tasks: training and test share them.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import runpy
from pathlib import Path

ezpoints = runpy.run_path(str(Path(__file__).with_name("ezpoints_gigpo_qwen.py")))

config = (
    ezpoints["config"]
    .environment("rllib_gigpo.envs:NumberLine-v0", env_config={"max_steps": 10})
    .tasks(max_episode_steps=10)
    .training(num_minibatches=80)
)

stop = {"training_iteration": 20}
