"""Runs with sub-goals, with real Ray and Learners: HiPER on anchor groups, and with a critic."""

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.batch.sub_goal_step import TokenLevel

SHOWN = "{{ observation }} now: {{ sub_goal or 'nothing' }}"


@pytest.fixture(scope="module", params=["hiper", "hiper_critic"])
def trained(request, ray_session, corridor_config):
    critic = {"critic": "head"} if request.param == "hiper_critic" else {}
    config = corridor_config(rule=request.param, penalties={"sub_goal": 0.3}, **critic)
    config.llm(max_prompt_tokens=512, max_response_tokens=128)
    config.prompting(template=SHOWN, sub_goals=True, action_tag="action", history_length=0)
    algorithm = config.inference(engine="support.quick_engine:QuickSubGoalEngine").build_algo()
    results = [algorithm.train() for _ in range(2)]
    yield algorithm, results
    algorithm.stop()


def steps_of(batch):
    return [(episode, step_records([episode])) for episode in batch["episodes"]]


def test_each_prompt_shows_the_sub_goal_that_the_answers_before_it_left(trained):
    seen = set()
    for _, records in steps_of(trained[0].batches[-1]):
        for before, record in zip([None, *records], records, strict=False):
            pursued = "" if before is None else before.sub_goal.sub_goal
            assert f"now: {pursued or 'nothing'}" in record.prompt_text
            seen.add(pursued)
    assert {"", "always go left"} <= seen


def test_segments_start_at_switches_and_at_the_first_step(trained):
    kinds = set()
    for _, records in steps_of(trained[0].batches[-1]):
        pursued = ""
        for number, record in enumerate(records):
            switches = "SWITCH" in record.response_text
            names = switches or (record.sub_goal.has_blocks and not pursued)
            assert record.sub_goal.starts_segment == (names or number == 0)
            pursued = record.sub_goal.sub_goal
            kinds.add((switches, record.sub_goal.has_blocks, record.sub_goal.is_contradictory))
    assert {(True, True, False), (False, True, False), (False, True, True)} <= kinds
    assert (False, False, False) in kinds  # without blocks


def test_tokens_of_an_answer_differ_in_their_advantage(trained):
    batch = trained[0].batches[-1]
    rows = batch[columns.TOKEN_ROWS]
    assert rows.advantages.shape == batch[columns.TOKEN_LEVELS].shape
    row_of = np.repeat(np.arange(rows.num_rows), rows.response_lengths)
    per_row = [len(set(rows.advantages[row_of == row].tolist())) for row in range(rows.num_rows)]
    assert max(per_row) == 3
    levels, starts = batch[columns.TOKEN_LEVELS], batch[columns.SEGMENT_STARTS][row_of]
    assert not rows.advantages[(levels == TokenLevel.SUB_GOAL) & ~starts].any()


def test_contradictions_cost_and_are_reported(trained):
    algorithm, results = trained
    batch = algorithm.batches[-1]
    wrong = [record.sub_goal.is_contradictory for record in step_records(batch["episodes"])]
    np.testing.assert_allclose(batch[columns.PENALTIES], 0.3 * np.array(wrong))
    credit = results[-1]["credit"]
    assert credit["sub_goal_contradiction_share"] == pytest.approx(np.mean(wrong))
    assert 0 < credit["sub_goal_missing_share"] < 1
    assert credit["sub_goals_per_episode"] >= 1
    assert 1 <= credit["steps_per_sub_goal"] <= 6
    assert np.isfinite(results[-1]["learners"]["default_policy"]["total_loss"])
