"""The main job with LoRA: adapters on frozen weights, merged for the engine.

rllib train file tuned_examples/textworld_lora_tiny.py
"""

import runpy
from pathlib import Path

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))

# With "sync": "adapter" vLLM would load the adapter alone; docs/algorithms.md compares the two.
config = (
    main_job["config"]
    .llm(lora={"rank": 32, "alpha": 64, "sync": "merged"})
    .training(lr=2e-3)  # adapters want a higher rate than whole weights
)
stop = main_job["stop"]
