"""A pretrained language model on a plain CPU: GiGPO trains SmolLM2-135M on real TextWorld games.

    make train-llm

does everything from nothing. With the model imported,

    rllib train file tuned_examples/smollm2/textworld_gigpo_smollm2.py

Coin collector, level 5, as in the main job of the tiny model. As it comes, SmolLM2 does not answer
with commands of the game, so it is first fitted to one pass over demonstrations of 64 training
games. Six of ten labels are random commands: they teach the form of an answer and leave most of the
way to the coin to reinforcement learning. The fit is cached. Then LoRA adapters are trained.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.recipes import smollm2_folder

# The room comes first and what differs between visits comes last, so that rows from the same room
# share nearly all. The last line is the agent's memory: the command that undoes its latest move.
TEMPLATE = """\
{% set opposite = {"go north": "go south", "go south": "go north",
                   "go east": "go west", "go west": "go east"} %}
{% set moves = history | map(attribute="action") | select("in", opposite) | list %}
goal: {{ task }}
{{ observation.split() | join(" ") }}
can: {{ admissible_actions | join("; ") }}
back: {{ opposite[moves[-1]] if moves else "none" }}"""

config = (
    GiGPOConfig.preset("gigpo-small-llm")
    .environment(
        "rllib_gigpo.envs:TextWorld-v0",
        env_config={
            "challenge": "coin_collector",
            "level": 5,
            "max_steps": 15,
            "observation": "description",
            "expert": False,
        },
    )
    .prompting(template=TEMPLATE, history_length=4)
    .llm(max_prompt_tokens=256, max_response_tokens=8)
    .tasks(num_train_tasks=128, num_test_tasks=128, max_episode_steps=15)
    .warm_start(
        base_model=smollm2_folder(),
        env_config={"expert": True},
        demonstrations={"num_tasks": 64, "random_label_probability": 0.6},
        fit={"num_epochs": 1, "lr": 5e-5, "batch_tokens": 1024},
    )
    .resources(num_cpus_for_main_process=2)  # Ray gives the engine and the Learner so many threads
    .env_runners(num_env_threads=0)  # else the engine would leave one of the two to the games
    .debugging(seed=0)
)

stop = {"training_iteration": 8}
