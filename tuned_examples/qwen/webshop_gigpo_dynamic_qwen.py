"""GiGPO with dynamic sampling on WebShop: groups whose episodes end alike are drawn again.

Evaluation plays 128 goals, as in verl-agent's script.
"""

from rllib_gigpo.recipes import experiment

webshop = experiment("webshop_gigpo_qwen.py", beside=__file__)
config, stop = webshop.make_config("gigpo-dapo", num_test_tasks=128), webshop.stop
config.training(rule={"normalize_by_std": False})
