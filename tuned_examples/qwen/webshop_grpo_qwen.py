"""GRPO on WebShop: webshop_gigpo_qwen.py with another credit rule, evaluated on 128 goals.

Statistics are over episodes, not over rows as in verl-agent; see docs/presets.md.
"""

from rllib_gigpo.recipes import experiment

webshop = experiment("webshop_gigpo_qwen.py", beside=__file__)
config, stop = webshop.make_config("grpo", num_test_tasks=128), webshop.stop
