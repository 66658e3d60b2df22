"""The main job with GiGPO and DAPO's tricks: clip-higher and dynamic sampling.

rllib train file tuned_examples/textworld_dapo_tiny.py
"""

import runpy
from pathlib import Path

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))

# Groups that all win or all lose teach nothing: they are drawn again, at most twice an iteration.
config = main_job["config"].training(
    policy_loss={"clip_param_high": 0.28},
    dynamic_sampling={"max_resamples": 2},
)
stop = main_job["stop"]
