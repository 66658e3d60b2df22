"""GiGPO with dynamic sampling on Sokoban: sokoban_gigpo_qwen.py with the preset "gigpo-dapo".

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/sokoban_gigpo_dynamic_qwen.py

Groups whose episodes all earn the same teach nothing: they are drawn again. The ratio is clipped
higher upwards. Untested on GPUs.
"""

import runpy
from pathlib import Path

sokoban = runpy.run_path(str(Path(__file__).with_name("sokoban_gigpo_qwen.py")))

config = sokoban["make_config"]("gigpo-dapo")
stop = sokoban["stop"]
