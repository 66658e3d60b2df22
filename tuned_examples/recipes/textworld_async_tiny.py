"""The main job, asynchronous: an EnvRunner plays the next batch while the Learner updates.

rllib train file tuned_examples/recipes/textworld_async_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# A token may be one policy version old; docs/asynchrony.md says what that costs and gains.
config = main_job.config.env_runners(num_env_runners=1).async_training(max_staleness=1)
stop = main_job.stop
