"""GiGPO on WebShop with dynamic sampling: webshop_gigpo_qwen.py with DAPO's two tricks.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_gigpo_dynamic_qwen.py

As in verl-agent's script: the ratio is clipped at 1.28 above, and groups whose episodes all end
alike are drawn again, so that an iteration samples at most ten times. Evaluation on 128 goals.
Untested on GPUs.
"""

import runpy
from pathlib import Path

gigpo = runpy.run_path(str(Path(__file__).with_name("webshop_gigpo_qwen.py")))

config = (
    gigpo["config"]
    .training(clip_param=0.2, clip_param_high=0.28, dynamic_sampling=True, max_resamples=9)
    .tasks(num_test_tasks=128)
)
stop = gigpo["stop"]

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
