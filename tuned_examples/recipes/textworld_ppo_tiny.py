"""The main job with PPO: a critic and GAE over steps instead of groups of equal states.

rllib train file tuned_examples/recipes/textworld_ppo_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# "head" is a linear layer on the policy's trunk; "model" trains a second model.
config = main_job.config.training(
    rule={"name": "ppo", "gae_lambda": 0.95},
    critic={"name": "head", "lr": 1e-3},
    advantages={"whiten": True},
)
stop = main_job.stop
