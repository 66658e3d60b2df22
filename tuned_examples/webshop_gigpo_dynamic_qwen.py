"""GiGPO with dynamic sampling on WebShop: webshop_gigpo_qwen.py with the preset "gigpo-dapo".

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_gigpo_dynamic_qwen.py

Groups whose episodes all end alike teach nothing: they are drawn again. The ratio is clipped higher
upwards. Evaluation on 128 goals, as in verl-agent's script. Untested on GPUs.
"""

import runpy
from pathlib import Path

webshop = runpy.run_path(str(Path(__file__).with_name("webshop_gigpo_qwen.py")))

config = webshop["make_config"]("gigpo-dapo", num_test_tasks=128)
config.training(rule={"normalize_by_std": False})
stop = webshop["stop"]
