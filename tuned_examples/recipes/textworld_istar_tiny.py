"""The main job with iStar: step rewards from a second model that learns which episodes succeed.

rllib train file tuned_examples/recipes/textworld_istar_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# As fast as the policy, which steps four times as often. At 2e-3 the second model ranked episodes
# better, and the success rate fell (one seed each).
config = main_job.config.training(
    rule="istar",
    process_reward={"lr": 5e-4},
    penalties={"mode": "row"},  # the rule compares returns of whole episodes
)
stop = main_job.stop
