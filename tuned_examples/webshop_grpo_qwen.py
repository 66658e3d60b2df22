"""GRPO on WebShop with Qwen2.5-1.5B-Instruct: the settings of webshop_gigpo_qwen.py but the credit.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_grpo_qwen.py

As in verl-agent's script: no discount, advantages divided by the group's standard deviation,
evaluation on 128 goals. Untested on GPUs.
"""

import runpy
from pathlib import Path

gigpo = runpy.run_path(str(Path(__file__).with_name("webshop_gigpo_qwen.py")))

# GRPO reads no step returns, so that penalties must enter in the rows themselves.
config = (
    gigpo["config"]
    .training(estimator="grpo", gamma=1.0, normalize_by_std=True, penalty_mode="row")
    .tasks(num_test_tasks=128)
)
stop = gigpo["stop"]

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
