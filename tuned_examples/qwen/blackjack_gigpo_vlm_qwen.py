"""GiGPO on Blackjack as pictures with Qwen2.5-VL-3B-Instruct, following verl-agent's run.

blackjack_gigpo_qwen.py and ezpoints_gigpo_vlm_qwen.py name the differences.
"""

from rllib_gigpo.recipes import experiment, on_pictures

blackjack = experiment("blackjack_gigpo_qwen.py", beside=__file__)
config, stop = on_pictures(blackjack.config, beside=__file__), blackjack.stop
