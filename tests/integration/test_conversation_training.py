"""A run whose agents hold conversations: real vLLM, real Ray, the prefix tree in the Learner."""

import itertools

import numpy as np
import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.models.tokenizer import load_tokenizer


def chatting(config, **llm):
    return config.prompting(style="conversation").llm(**llm)


@pytest.fixture(scope="module")
def run(ray_session, corridor_config):
    penalties = {
        "format": 0.5,
        "admissible": 0.5,
    }  # of an untrained model, no two answers are alike
    config = chatting(corridor_config(penalties=penalties), max_prompt_tokens=1000).environment(
        "rllib_gigpo.envs:Corridor-v0", env_config={"length": 2, "max_steps": 8}
    )
    config.tasks(max_episode_steps=8)
    algorithm = config.build_algo()
    algorithm.results = [algorithm.train() for _ in range(3)]
    yield algorithm
    algorithm.stop()


def pairs(episodes):
    for episode in episodes:
        records = step_records([episode])
        yield from itertools.pairwise(records)


def test_the_ratio_on_fresh_data_is_one_in_every_iteration(run):
    for result in run.results:
        learner = result["learners"][DEFAULT_MODULE_ID]
        assert learner["max_ratio_deviation_fresh"] <= 1e-4
        assert learner["shared_fraction"] > 0.5


def test_each_prompt_is_the_one_before_it_the_engines_ids_and_the_new_turn(run):
    count = 0
    for batch in run.batches:
        for record, following in pairs(batch["episodes"]):
            kept = [*record.prompt_token_ids, *record.response_token_ids]
            assert list(following.prompt_token_ids[: len(kept)]) == kept
            assert following.num_message_tokens == len(following.prompt_token_ids) - len(kept)
            count += 1
    assert count > 60


def test_rows_stay_one_a_step_and_only_answers_have_advantages(run):
    batch = run.batches[-1]
    records = step_records(batch["episodes"])
    rows = batch[columns.TOKEN_ROWS]
    assert rows.num_rows == len(records) == sum(map(len, batch["episodes"]))
    assert rows.response_lengths.tolist() == [len(one.response_token_ids) for one in records]
    episodes = np.split(
        np.concatenate([one[columns.STEP_ADVANTAGES] for one in run.batches]),
        np.cumsum([len(episode) for one in run.batches for episode in one["episodes"]])[:-1],
    )
    # Steps of one episode differ in their advantages: credit is per step.
    assert any(len(np.unique(steps.round(6))) > 1 for steps in episodes)


def test_answers_that_the_limit_cut_off_are_closed_in_the_next_prompt_without_a_loss(run):
    cut = [
        (record, following)
        for batch in run.batches
        for record, following in pairs(batch["episodes"])
        if record.is_response_cut
    ]
    assert cut  # four tokens are few for an untrained model
    end = load_tokenizer(run.config.model_path).eos_token_id
    for record, following in cut:
        first = len(record.prompt_token_ids) + len(record.response_token_ids)
        assert following.prompt_token_ids[first] == end


def test_the_engine_takes_most_of_the_prompts_from_its_cache(run):
    assert run.results[-1]["env_runners"]["prompt_cached_share"] > 0.5


def test_a_context_that_is_full_begins_again_and_is_counted(build, corridor_config):
    config = chatting(corridor_config(), max_prompt_tokens=300)
    config.environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 9, "max_steps": 12})
    config.tasks(max_episode_steps=12)
    algorithm = build(config)
    result = algorithm.train()
    assert 0 < result["env_runners"]["context_reset_rate"] < 0.5
    assert result["learners"][DEFAULT_MODULE_ID]["max_ratio_deviation_fresh"] <= 1e-4
    for record in step_records(algorithm.last_batch["episodes"]):
        assert len(record.prompt_token_ids) <= 300


def test_a_critic_values_the_state_after_a_conversation_was_cut_off(build, corridor_config):
    config = chatting(corridor_config(rule="ppo", critic="head"))
    algorithm = build(config)
    algorithm.train()
    episodes = algorithm.last_batch["episodes"]
    truncated = [episode for episode in episodes if episode.is_truncated]
    assert truncated
    pipeline = algorithm.config.build_env_to_module_connector(spaces=algorithm.spaces)
    batch = pipeline(rl_module=None, batch={}, episodes=truncated, explore=False, shared_data={})
    for episode, prompt in zip(truncated, batch[columns.PROMPTS], strict=True):
        last = step_records([episode])[-1]
        kept = [*last.prompt_token_ids, *last.response_token_ids]
        assert prompt.token_ids[: len(kept)] == kept
