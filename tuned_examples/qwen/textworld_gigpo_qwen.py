"""GiGPO on TextWorld's cooking games, for which there is no published run to compare with.

The preset is that of verl-agent's ALFWorld run with the same model. As in alfworld_gigpo_qwen.py, a
win earns 1 instead of 10 and an invalid answer costs 0.01; an inadmissible action costs the same.
"""

from rllib_gigpo.recipes import qwen_on_gpus

config = (
    qwen_on_gpus("gigpo-verl-agent", beside=__file__)
    .environment(
        "rllib_gigpo.envs:TextWorld-v0", env_config={"challenge": "cooking", "max_steps": 50}
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128)
    .prompting(template="textworld", require_think=True)
    .training(penalties={"format": 0.01, "admissible": 0.01}, num_minibatches=25)
    .env_runners(num_env_workers=8)
)
stop = {"training_iteration": 150}
