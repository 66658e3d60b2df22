"""GiGPO on Blackjack with a text model, following verl-agent's run with a vision model.

Only the game, its length, and the numbers of groups and optimiser steps differ from
ezpoints_gigpo_qwen.py. A win earns 1, as in verl-agent. A hand takes one or two steps, so an
iteration has about 400 rows for its 12 optimiser steps; verl-agent takes one for every 32 rows.
"""

from rllib_gigpo.recipes import experiment

config = (
    experiment("ezpoints_gigpo_qwen.py", beside=__file__)
    .config.environment("rllib_gigpo.envs:Blackjack-v0", env_config={"max_steps": 15})
    .tasks(num_train_tasks=4096, max_episode_steps=15)
    .training(num_groups=32, num_minibatches=12)
    .evaluation(evaluation_interval=10)
)
stop = {"training_iteration": 200}
