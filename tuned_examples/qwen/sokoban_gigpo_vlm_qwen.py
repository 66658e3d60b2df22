"""GiGPO on Sokoban as pictures with Qwen2.5-VL-3B-Instruct, following verl-agent's run.

As in verl-agent, the prompt shows the picture of this turn, without a history. Differences: the
levels and the drawings are ours, and a picture has 288 pixels a side (verl-agent: at least 256).
sokoban_gigpo_qwen.py names those in the number of optimiser steps.
"""

from rllib_gigpo.recipes import experiment, on_pictures

sokoban = experiment("sokoban_gigpo_qwen.py", beside=__file__)
config, stop = on_pictures(sokoban.config, beside=__file__, image_scale=3), sokoban.stop
