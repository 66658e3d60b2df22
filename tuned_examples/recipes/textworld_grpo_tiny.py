"""The main job with GRPO: the same games, model, rollouts and budget; only the credit differs.

rllib train file tuned_examples/recipes/textworld_grpo_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# GRPO does not read step returns, so penalties are subtracted from the rows themselves.
config = main_job.config.training(rule="grpo", penalties={"mode": "row"})
stop = main_job.stop
