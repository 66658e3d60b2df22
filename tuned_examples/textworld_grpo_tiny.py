"""The main job with GRPO: the same games, model, rollouts and budget; only the credit differs.

rllib train file tuned_examples/textworld_grpo_tiny.py
"""

import runpy
from pathlib import Path

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))

# GRPO reads no step returns, so that penalties enter in the rows themselves.
config = main_job["config"].training(rule="grpo", penalties={"mode": "row"})
stop = main_job["stop"]
