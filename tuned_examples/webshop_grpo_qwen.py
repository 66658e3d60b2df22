"""GRPO on WebShop: webshop_gigpo_qwen.py with the preset "grpo"; only the credit differs.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_grpo_qwen.py

The statistics run over episodes, where verl-agent's run over rows: see docs/algorithms.md.
Evaluation on 128 goals, as in verl-agent's script. Untested on GPUs.
"""

import runpy
from pathlib import Path

webshop = runpy.run_path(str(Path(__file__).with_name("webshop_gigpo_qwen.py")))

config = webshop["make_config"]("grpo", num_test_tasks=128)
stop = webshop["stop"]
