"""GRPO on ALFWorld with Qwen2.5-1.5B-Instruct: the GiGPO run's twin; only the credit differs.

    ALFWORLD_DATA=path/to/alfworld QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/alfworld_grpo_qwen.py

Untested on GPUs.
"""

import runpy
from pathlib import Path

gigpo = runpy.run_path(str(Path(__file__).with_name("alfworld_gigpo_qwen.py")))

# GRPO reads no step returns, so that penalties must enter in the rows themselves.
config = gigpo["config"].training(estimator="grpo", penalty_mode="row", gamma=1.0)
stop = gigpo["stop"]

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
