"""Runs whose groups fork, with real Ray and real vLLM."""

import numpy as np
import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.layout.row_tree import grow_tree, sort_rows
from rllib_gigpo.reports.transcripts import transcript_lines

PLANS = {  # plan -> rule, engine; the conversations below fork at lone states
    "entropy": ("gigpo", "vllm"),
    "random": ("tree_grpo", "transformers"),
}


@pytest.fixture(scope="module", params=["entropy", pytest.param("random", marks=pytest.mark.slow)])
def trained(request, ray_session, corridor_config):
    rule, engine = PLANS[request.param]
    config = corridor_config(group_plan=request.param, group_size=6, rule=rule)
    algorithm = config.inference(engine=engine).build_algo()
    algorithm.results = [algorithm.train() for _ in range(2)]
    yield algorithm
    algorithm.stop()


def test_groups_are_whole_and_half_of_the_episodes_fork(trained):
    for batch in trained.batches:
        forks = [one for one in batch["episodes"] if columns.FORK in one.custom_data]
        assert len(batch["episodes"]) == 12
        assert len(forks) == 6
        assert batch[columns.IS_REPLAYED].any()


def test_the_learner_gets_the_steps_that_were_chosen_and_their_ratio_is_one(trained):
    for batch, result in zip(trained.batches, trained.results, strict=True):
        own = [one for one in step_records(batch["episodes"]) if not one.is_replayed]
        rows = batch[columns.TOKEN_ROWS]
        assert rows.response_lengths.tolist() == [len(one.response_token_ids) for one in own]
        assert result["learners"][DEFAULT_MODULE_ID]["max_ratio_deviation_fresh"] <= 1e-4


def test_the_metrics_tell_what_was_repeated_and_saved(trained):
    for batch, result in zip(trained.batches, trained.results, strict=True):
        records = step_records(batch["episodes"])
        repeated = [one for one in records if one.is_replayed]
        found = result["env_runners"]
        assert found["num_env_steps"] == len(records)
        assert found["forks"]["num_replayed_steps"] == len(repeated) > 0
        tokens = sum(len(one.response_token_ids) for one in repeated)
        assert found["forks"]["num_saved_response_tokens"] == tokens


def test_entropies_are_measured_where_the_plan_asks_for_them(trained):
    has_entropy = {
        one.uncertainty is not None for one in step_records(trained.batches[0]["episodes"])
    }
    assert has_entropy == {trained.config.group_plan == "entropy"}


def test_transcripts_hold_the_forks(trained):
    lines = list(transcript_lines(trained.batches[0], num_groups="all"))
    forked = {(line["group_id"], line["member"]) for line in lines if "forked_from" in line}
    assert len(forked) == 6


def test_evaluation_plays_each_task_once_from_the_reset(trained):
    played = trained.play_test_tasks()
    assert all(columns.FORK not in one.custom_data for one in played.episodes)
    assert len(played.episodes) == 4


def tree_size(episodes):
    """Count the tokens of the prefix tree of the steps that these episodes chose."""
    rows = [
        np.array([*one.prompt_token_ids, *one.response_token_ids])
        for one in step_records(episodes)
        if not one.is_replayed
    ]
    order, shared = sort_rows(rows)
    return len(grow_tree([rows[row] for row in order], shared).token_ids)


def own_tokens(fork):
    """Count what a fork adds to the conversation that it leaves."""
    first, *_, last = [one for one in step_records([fork]) if not one.is_replayed] * 2
    whole = len(last.prompt_token_ids) + len(last.response_token_ids)
    return whole - len(first.prompt_token_ids)


def test_in_conversations_forks_cost_the_learner_their_own_tokens(build, corridor_config):
    """The start of a fork is a prefix of the conversation that it leaves."""
    config = corridor_config(group_plan="lone_states", group_size=6, num_minibatches=1)
    config.prompting(style="conversation").llm(max_prompt_tokens=1000)
    algorithm = build(config.inference(engine="transformers"))
    learner = algorithm.train()["learners"][DEFAULT_MODULE_ID]
    assert learner["shared_fraction"] > 0.5
    assert learner["max_ratio_deviation_fresh"] <= 1e-4
    episodes = algorithm.batches[0]["episodes"]
    for group in {one.custom_data[columns.GROUP_ID] for one in episodes}:
        members = [one for one in episodes if one.custom_data[columns.GROUP_ID] == group]
        forks = [one for one in members if columns.FORK in one.custom_data]
        without = tree_size([one for one in members if one not in forks])
        assert 0 < tree_size(members) - without <= sum(map(own_tokens, forks))
