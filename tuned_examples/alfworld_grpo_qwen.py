"""GRPO on ALFWorld: alfworld_gigpo_qwen.py with the preset "grpo"; only the credit differs.

    ALFWORLD_DATA=path/to/alfworld QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/alfworld_grpo_qwen.py

The statistics run over episodes, where verl-agent's run over rows: see docs/algorithms.md. Untested
on GPUs.
"""

import runpy
from pathlib import Path

alfworld = runpy.run_path(str(Path(__file__).with_name("alfworld_gigpo_qwen.py")))

config = alfworld["make_config"]("grpo")
stop = alfworld["stop"]
