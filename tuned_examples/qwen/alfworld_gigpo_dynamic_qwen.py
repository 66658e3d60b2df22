"""GiGPO with dynamic sampling on ALFWorld: groups of only wins or only losses are redrawn."""

from rllib_gigpo.recipes import experiment

alfworld = experiment("alfworld_gigpo_qwen.py", beside=__file__)
config, stop = alfworld.make_config("gigpo-dapo"), alfworld.stop
