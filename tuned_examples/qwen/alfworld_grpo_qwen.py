"""GRPO on ALFWorld: only the credit differs from alfworld_gigpo_qwen.py.

Statistics run over episodes, where verl-agent's run over rows: see docs/presets.md.
"""

from rllib_gigpo.recipes import experiment

alfworld = experiment("alfworld_gigpo_qwen.py", beside=__file__)
config, stop = alfworld.make_config("grpo"), alfworld.stop
