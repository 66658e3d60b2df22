"""The main job with PPO: the values of a critic and GAE over steps instead of groups of states.

rllib train file tuned_examples/textworld_ppo_tiny.py
"""

import runpy
from pathlib import Path

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))

# "head" is a linear layer on the policy's trunk; "model" would train a second model.
config = main_job["config"].training(
    rule={"name": "ppo", "gae_lambda": 0.95},
    critic={"name": "head", "lr": 1e-3},
    advantages={"whiten": True},
)
stop = main_job["stop"]
