"""GiGPO on NumberLine with a text model, following verl-agent's run with Qwen2-VL-2B-Instruct.

Only the game, its length and the number of optimiser steps differ from ezpoints_gigpo_qwen.py. A
win earns 1, as in verl-agent. An iteration has 80 optimiser steps, while verl-agent takes one for
every 16 rows (80 for 1,280 rows, the maximum). There are only 30 different tasks, so training and
test tasks overlap.
"""

from rllib_gigpo.recipes import experiment

config = (
    experiment("ezpoints_gigpo_qwen.py", beside=__file__)
    .config.environment("rllib_gigpo.envs:NumberLine-v0", env_config={"max_steps": 10})
    .tasks(max_episode_steps=10)
    .training(num_minibatches=80)
)
stop = {"training_iteration": 20}
