"""Training an agent's own program: real Ray, real vLLM, OpenAI's real client."""

import itertools

import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records

PROGRAM = "rllib_gigpo.agent_programs:AgentProgram-v0"


def playing(config, **env_config):
    config.env_config = {}  # RLlib merges the new one into it
    settings = {"program": "integration.agent_programs.corridor_program:play", **env_config}
    return config.environment(PROGRAM, env_config=settings)


@pytest.fixture(scope="module")
def run(ray_session, corridor_config):
    config = playing(corridor_config().llm(max_prompt_tokens=1000))
    algorithm = config.build_algo()
    algorithm.results = [algorithm.train() for _ in range(2)]
    yield algorithm
    algorithm.stop()


def test_the_ratio_on_fresh_data_is_one(run):
    for result in run.results:
        learner = result["learners"][DEFAULT_MODULE_ID]
        assert learner["max_ratio_deviation_fresh"] <= 1e-4


def test_rows_are_the_calls_of_the_programs(run):
    for batch, result in zip(run.batches, run.results, strict=True):
        records = step_records(batch["episodes"])
        assert batch[columns.TOKEN_ROWS].num_rows == len(records)
        assert result["env_runners"]["num_episodes"] == len(batch["episodes"]) == 8
        assert result["env_runners"]["num_env_steps"] == len(records)


def test_chats_are_only_appended_to_and_share_their_prefixes(run):
    num_pairs = 0
    for episode in run.batches[-1]["episodes"]:
        for before, after in itertools.pairwise(step_records([episode])):
            kept = [*before.prompt_token_ids, *before.response_token_ids]
            assert list(after.prompt_token_ids[: len(kept)]) == kept
            num_pairs += 1
    assert num_pairs > 8
    assert run.results[-1]["learners"][DEFAULT_MODULE_ID]["shared_fraction"] > 0.5


def test_states_recur_so_credit_is_per_call(run):
    assert run.results[0]["env_runners"]["num_env_steps"] > 8
    anchors = {record.anchor for record in step_records(run.batches[0]["episodes"])}
    assert len(anchors) < sum(map(len, run.batches[0]["episodes"]))


@pytest.mark.slow
def test_remote_runners_play_programs_while_the_learner_updates(build, corridor_config):
    config = playing(corridor_config(num_groups=3).llm(max_prompt_tokens=1000))
    config.async_training(max_staleness=1).env_runners(num_env_runners=2)
    config.num_cpus_per_env_runner = 0.5
    algorithm = build(config)
    results = [algorithm.train() for _ in range(4)]
    assert [result["policy_version"] for result in results] == [1, 2, 3, 4]
    for batch, result in zip(algorithm.batches, results, strict=True):
        assert len(batch["episodes"]) == 12
        assert result["env_runners"]["groups_lost"] == {}
        assert result["env_runners"]["staleness_max"] <= 1
    assert sum(result["env_runners"]["stale_token_share"] for result in results) > 0
    learner = results[0]["learners"][DEFAULT_MODULE_ID]
    assert learner["max_ratio_deviation_fresh"] <= 1e-4
