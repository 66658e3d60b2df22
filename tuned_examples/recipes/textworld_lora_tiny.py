"""The main job with LoRA: adapters on frozen weights, merged for the engine.

rllib train file tuned_examples/recipes/textworld_lora_tiny.py
"""

from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# With "sync": "adapter", vLLM loads only the adapter; docs/settings.md compares the two. LoRA
# needs a higher learning rate than training all weights does.
config = main_job.config.llm(lora={"rank": 32, "alpha": 64, "sync": "merged"}).training(lr=2e-3)
stop = main_job.stop
