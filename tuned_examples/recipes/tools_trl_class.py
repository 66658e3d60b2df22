"""A class as TRL's GRPOTrainer takes it, unchanged: a counter that the agent increments.

    rllib train file tuned_examples/recipes/tools_trl_class.py

The data set is the list of tasks. The expert and the warm start are for the model of 0.3M
parameters alone; with an instruction-tuned model, leave them out and set llm(model_path=...).
"""

import gymnasium as gym

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.envs.tools.tools_env import ToolEnv


class IncrementEnv:
    """An environment in TRL's shape: a reset, a tool, a reward."""

    def reset(self, **kwargs) -> None:
        """Begin again; the arguments are the row of the data set."""
        self.counter, self.target = 0, kwargs["target"]

    def increment(self, step: int) -> int:
        """Increment the internal counter.

        Args:
            step: Value to add to the counter.

        Returns:
            The updated counter value.
        """
        self.counter += step
        return self.counter

    def get_reward(self) -> float:
        """Pay for the target."""
        return 1.0 if self.counter == self.target else 0.0


ROWS = [
    {"prompt": [{"role": "user", "content": f"Increment to {target} in steps of at most 3."}]}
    | {"target": target}
    for target in range(1, 10)
]


def expert(env: IncrementEnv) -> dict | str:
    """Return the next call, for the warm start alone."""
    left = env.target - env.counter
    return {"name": "increment", "arguments": {"step": min(left, 3)}} if left > 0 else "Done."


def make_env(**env_config) -> ToolEnv:
    """Make the environment; for a class in a module, Tools-v0 and "module:Name" do the same."""
    return ToolEnv(environment=IncrementEnv, tasks=ROWS, expert=expert, max_turns=4, **env_config)


gym.register("Increment-v0", entry_point=make_env, disable_env_checker=True)

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(lambda env_config: make_env(**env_config))
    .prompting(template="tools")
    .llm(max_prompt_tokens=384, max_response_tokens=32)
    .tasks(num_train_tasks=8, max_episode_steps=4)
    .training(lr=5e-4)
    .warm_start(
        env="Increment-v0",
        demonstrations={"episodes_per_seed": 40},
        fit={"num_epochs": 8, "prompt_loss_weight": 1.0},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
