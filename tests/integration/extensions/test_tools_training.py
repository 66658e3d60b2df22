"""A run with tools: a class in TRL's shape, real vLLM, calls in the model's own format."""

import itertools

import pytest
from ray.rllib.core import DEFAULT_MODULE_ID
from support.games.trl_classes import ROWS, CounterEnv

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.envs.tools.call_text import read_action
from rllib_gigpo.warm_start import warm_start
from rllib_gigpo.warm_start.from_config import settings_for

ROOM = "rllib_gigpo.envs.tools.stock_room"


def with_tools(config, **env_config):
    config.env_config = {}  # environment() adds to it
    config.environment("rllib_gigpo.envs:Tools-v0", env_config={"max_turns": 5, **env_config})
    config.prompting(template="default", action_tag="action")
    return config.llm(max_prompt_tokens=400, max_response_tokens=40)


@pytest.fixture(scope="module")
def room_config(corridor_config, tmp_path_factory):
    """Return a config whose model was fitted to a few demonstrations, so that it writes calls."""
    config = with_tools(corridor_config(), environment=f"{ROOM}:StockRoom", expert=f"{ROOM}:expert")
    settings = settings_for(
        config,
        demonstrations={"episodes_per_seed": 2},
        fit={"num_epochs": 12, "prompt_loss_weight": 1.0},
    )
    folder = warm_start(settings, cache_dir=tmp_path_factory.mktemp("cache"))
    return config.llm(model_path=str(folder))


def test_calls_and_results_form_one_chat_whose_ratio_is_one(build, room_config):
    algorithm = build(room_config)
    result = algorithm.train()
    learner = result["learners"][DEFAULT_MODULE_ID]
    assert learner["max_ratio_deviation_fresh"] <= 1e-4
    count = 0
    for episode in algorithm.last_batch["episodes"]:
        for record, following in itertools.pairwise(step_records([episode])):
            kept = [*record.prompt_token_ids, *record.response_token_ids]
            assert list(following.prompt_token_ids[: len(kept)]) == kept
            if record.is_format_valid:
                assert "<tool_call>" in record.response_text
                assert read_action(record.action_text)
                assert "<|im_start|>tool\n" in following.prompt_text[-120:]
                count += 1
            else:
                assert "<|im_start|>user\nError: " in following.prompt_text
    assert count >= 4
    first = step_records(algorithm.last_batch["episodes"][:1])[0].prompt_text
    assert first.startswith("<|im_start|>system\ntools: count(good) add(a, b)<|im_end|>\n")
    assert "<action>" not in first


def test_a_class_in_trls_shape_trains(build, corridor_config):
    config = with_tools(corridor_config(), environment=CounterEnv, tasks=ROWS)
    algorithm = build(config)
    result = algorithm.train()
    assert result["learners"][DEFAULT_MODULE_ID]["max_ratio_deviation_fresh"] <= 1e-4
    (first, *_) = step_records(algorithm.last_batch["episodes"])
    assert "tools: increment(step)" in first.prompt_text
    assert "Increment the counter by" in first.prompt_text


def test_a_critic_values_the_state_after_the_last_result(build, room_config):
    config = room_config.copy(copy_frozen=False).training(rule="ppo", critic="head")
    algorithm = build(config)
    algorithm.train()
    pipeline = config.build_env_to_module_connector(spaces=algorithm.spaces)
    episodes = algorithm.last_batch["episodes"]
    batch = pipeline(rl_module=None, batch={}, episodes=episodes, explore=False, shared_data={})
    for episode, prompt in zip(episodes, batch["prompts"], strict=True):
        last = step_records([episode])[-1]
        kept = [*last.prompt_token_ids, *last.response_token_ids]
        assert list(prompt.token_ids[: len(kept)]) == kept
