"""The main job with two tricks of DAPO: clip-higher and dynamic sampling.

rllib train file tuned_examples/recipes/textworld_dapo_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# Groups of only wins or only losses teach nothing: they are redrawn, at most twice per iteration.
config = main_job.config.training(
    policy_loss={"clip_param_high": 0.28},
    dynamic_sampling={"max_resamples": 2},
)
stop = main_job.stop
