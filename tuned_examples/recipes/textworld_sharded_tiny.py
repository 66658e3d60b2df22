"""The main job with two sharded Learners, which send an EnvRunner only the weights that changed.

rllib train file tuned_examples/recipes/textworld_sharded_tiny.py

For large models on several GPUs; docs/large_models.md says what it costs. On CPUs it shows the
settings: in float32 nearly all weights change, so that the updates are not small.
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

config = (
    main_job.config.learners(num_learners=2, sharding="fsdp2", num_cpus_per_learner=0.5)
    .env_runners(num_env_runners=1, num_cpus_per_env_runner=1)
    .inference(weight_sync="delta")
)
stop = main_job.stop
