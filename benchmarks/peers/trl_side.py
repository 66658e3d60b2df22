"""TRL's side: its GRPO, in the virtual environment that setup_trl.sh builds, without Ray.

    PYTHONPATH=. .venv-trl/bin/python benchmarks/peers/trl_side.py \
        learner results/peers/job --rows early
    ... trl_side.py loop results/peers/job --iterations 3
    ... trl_side.py limits results/peers/job

"learner" times TRL's update on the recorded rows, "loop" whole iterations of TRL's multi-turn loop;
each prints one line of JSON. "limits" prints what TRL answers to the two forms of the job that it
does not support.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path

# Set before transformers is imported: nothing is downloaded.
os.environ.update(HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")

import torch
from side_report import print_result
from trl_learner import OLD_LOGP, time_learner
from trl_limits import print_limits
from trl_loop import time_loop


def main() -> None:
    """Run one part and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("learner", "loop", "limits"))
    parser.add_argument("folder", type=Path, help="the recorded job")
    parser.add_argument("--rows", choices=("early", "late"), default="early")
    parser.add_argument("--old-logp", choices=OLD_LOGP, default="given")
    parser.add_argument(
        "--micro-batches",
        type=int,
        nargs="+",
        default=[1, 2, 4, 8],
        help="micro-batches per optimiser step to try; the fastest counts",
    )
    parser.add_argument(
        "--loop-micro-batches",
        type=int,
        default=4,
        help="micro-batches per optimiser step of the loop; 4 were the fastest of 1, 2, 4, 8, 16",
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", category=UserWarning)
    job = json.loads((arguments.folder / "job.json").read_text())
    if arguments.what == "limits":
        print_limits(arguments.folder, job)
    elif arguments.what == "learner":
        result = time_learner(
            arguments.folder,
            arguments.rows,
            job,
            accumulations=arguments.micro_batches,
            repeats=arguments.repeats,
            old_logp=arguments.old_logp,
        )
        print_result(result)
    else:
        accumulation = arguments.loop_micro_batches
        print_result(
            time_loop(arguments.folder, job, arguments.iterations, accumulation=accumulation)
        )


if __name__ == "__main__":
    main()
