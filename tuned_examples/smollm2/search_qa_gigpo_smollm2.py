"""SmolLM2 searches and answers in one conversation: questions about a made-up world.

    rllib train file tuned_examples/smollm2/search_qa_gigpo_smollm2.py

Each question takes two searches, then the answer. Unlike ../tiny/search_qa_gigpo_tiny.py, the
prompt lists no actions: a pretrained model can write the names that it reads.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.recipes import smollm2_folder

TEMPLATE = """\
{% if not is_continued %}
{{ task }}
Write "search: NAME" to read about a name, or "answer: NAME" when you know.
{% else %}
{{ observation.split() | join(" ") }}
{% endif %}"""

config = (
    GiGPOConfig.preset("gigpo-small-llm")
    .environment(
        "rllib_gigpo.envs:SearchQA-v0",
        env_config={
            "synthetic": {"num_people": 100, "num_hops": 2},
            "top_k": 2,
            "action_format": "plain",
        },
    )
    .prompting(style="conversation", template=TEMPLATE)
    .llm(max_prompt_tokens=768, max_response_tokens=16)
    .tasks(num_train_tasks=256, num_test_tasks=128, max_episode_steps=4)
    .warm_start(
        base_model=smollm2_folder(),
        env_config={"list_actions": True},  # to draw random labels from
        demonstrations={
            "num_tasks": 128,
            "random_action_probability": 0.3,
            "random_label_probability": 0.2,
        },
        fit={"num_epochs": 1, "lr": 1e-4, "batch_tokens": 1024},
    )
    .resources(num_cpus_for_main_process=2)
    .debugging(seed=0)
)

stop = {"training_iteration": 8}
