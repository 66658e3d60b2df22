"""The main job with SELAUR's reward: failed episodes earn a little for being unsure.

rllib train file tuned_examples/recipes/textworld_uncertainty_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# A success is worth 1. Compare credit/uncertainty_of_failures with credit/uncertainty_of_successes.
config = main_job.config.training(uncertainty_reward={"coeff": 0.1})
stop = main_job.stop
