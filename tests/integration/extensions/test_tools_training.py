"""A run with tools: a class in TRL's shape, real vLLM, calls in the model's own format."""

from ray.rllib.core import DEFAULT_MODULE_ID
from support.games.trl_classes import ROWS, CounterEnv

from rllib_gigpo.batch.step_record import step_records


def tools_config(make, **env_config):
    config = make().environment(
        "rllib_gigpo.envs:Tools-v0",
        env_config={"environment": CounterEnv, "tasks": ROWS, "max_turns": 4, **env_config},
    )
    config.prompting(template="default").llm(max_prompt_tokens=900, max_response_tokens=24)
    return config


def test_a_class_with_tools_trains_and_the_ratio_is_one(build, corridor_config):
    algorithm = build(tools_config(corridor_config))
    for _ in range(2):
        result = algorithm.train()
        learner = result["learners"][DEFAULT_MODULE_ID]
        assert learner["max_ratio_deviation_fresh"] <= 1e-4
    (first, *_) = step_records(algorithm.last_batch["episodes"])
    assert "tools: increment(step)" in first.prompt_text
    assert "Increment the counter by" in first.prompt_text
    assert "<action>" not in first.prompt_text
