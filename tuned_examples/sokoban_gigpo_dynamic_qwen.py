"""GiGPO with dynamic sampling on Sokoban with a Qwen2.5 text model, with the published numbers.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/sokoban_gigpo_dynamic_qwen.py

Groups that all win or all lose teach nothing: they are drawn again, up to 10 times in all, and the
ratio is clipped higher upwards (0.2 and 0.28). Untested on GPUs.
"""

import runpy
from pathlib import Path

gigpo = runpy.run_path(str(Path(__file__).with_name("sokoban_gigpo_qwen.py")))

config = gigpo["config"].training(
    clip_param=0.2,
    clip_param_high=0.28,
    dynamic_sampling=True,
    max_resamples=9,
)
stop = gigpo["stop"]

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
