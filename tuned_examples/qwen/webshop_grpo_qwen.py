"""GRPO on WebShop: webshop_gigpo_qwen.py with other credit, evaluated on 128 goals.

Statistics run over episodes, where verl-agent's run over rows: see docs/presets.md.
"""

from rllib_gigpo.recipes import experiment

webshop = experiment("webshop_gigpo_qwen.py", beside=__file__)
config, stop = webshop.make_config("grpo", num_test_tasks=128), webshop.stop
