"""GRPO on ALFWorld: only the credit differs from alfworld_gigpo_qwen.py.

Statistics are taken over episodes; verl-agent takes them over rows (see docs/presets.md).
"""

from rllib_gigpo.recipes import experiment

alfworld = experiment("alfworld_gigpo_qwen.py", beside=__file__)
config, stop = alfworld.make_config("grpo"), alfworld.stop
