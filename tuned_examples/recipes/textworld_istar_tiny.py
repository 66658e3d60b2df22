"""The main job with iStar: step rewards from a second model that learns which episodes succeed.

rllib train file tuned_examples/recipes/textworld_istar_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# Published rates of 7B models are 5e-7 and 1e-6: this tiny one takes large steps.
config = main_job.config.training(
    rule="istar",
    process_reward={"lr": 5e-4},
    penalties={"mode": "row"},  # the rule compares returns of whole episodes
)
stop = main_job.stop
