"""GiGPO with dynamic sampling on Sokoban: groups whose episodes earn the same are drawn again."""

from rllib_gigpo.recipes import experiment

sokoban = experiment("sokoban_gigpo_qwen.py", beside=__file__)
config, stop = sokoban.make_config("gigpo-dapo"), sokoban.stop
