"""GRPO on Sokoban as pictures with Qwen2.5-VL-3B-Instruct, following verl-agent's run."""

from rllib_gigpo.recipes import experiment, on_pictures

sokoban = experiment("sokoban_gigpo_qwen.py", beside=__file__)
grpo = sokoban.make_config("grpo")
config, stop = on_pictures(grpo, beside=__file__, image_scale=3), sokoban.stop
