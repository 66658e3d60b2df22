"""GiGPO on EZPoints as pictures with Qwen2.5-VL-3B-Instruct, following verl-agent's run.

The prompt shows the picture of this turn, without a history. Differences: the drawings are ours, of
300x300 pixels as there; verl-agent's prompt also spells out the formula so far, and asks for JSON
instead of an answer between tags. ezpoints_gigpo_qwen.py names those in the number of optimiser
steps.
"""

from rllib_gigpo.recipes import experiment, on_pictures

ezpoints = experiment("ezpoints_gigpo_qwen.py", beside=__file__)
config, stop = on_pictures(ezpoints.config, beside=__file__), ezpoints.stop
