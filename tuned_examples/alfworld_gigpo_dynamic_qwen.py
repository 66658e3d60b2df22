"""GiGPO with dynamic sampling on ALFWorld: alfworld_gigpo_qwen.py with the preset "gigpo-dapo".

    ALFWORLD_DATA=path/to/alfworld QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/alfworld_gigpo_dynamic_qwen.py

Groups that all win or all lose teach nothing: they are drawn again. The ratio is clipped higher
upwards. Untested on GPUs.
"""

import runpy
from pathlib import Path

alfworld = runpy.run_path(str(Path(__file__).with_name("alfworld_gigpo_qwen.py")))

config = alfworld["make_config"]("gigpo-dapo")
stop = alfworld["stop"]
