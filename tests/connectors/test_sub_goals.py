"""From answers to segments: what is kept, what starts anew, and what is penalised."""

from types import SimpleNamespace

import numpy as np
import pytest
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import sub_goal_before
from rllib_gigpo.batch.sub_goal_step import SubGoalStep, TokenLevel
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.read_sub_goals import ReadSubGoals
from rllib_gigpo.connectors.env_to_module.render_prompt import prompt_inputs
from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.connectors.module_to_env.follow_sub_goals import FollowSubGoals
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.prompting import SubGoalParser

ACTION, SUB_GOAL, SWITCH = TokenLevel.ACTION, TokenLevel.SUB_GOAL, TokenLevel.SWITCH


def answer(word, sub_goal, action="go"):
    return f"<switch>{word}</switch><subgoal>{sub_goal}</subgoal><action>{action}</action>"


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer([answer("KEEP", "reach the door"), answer("SWITCH", "up")] * 20, 320)


def followed(tokenizer, *answers):
    """Return the sub-goal steps of an episode with these answers."""
    parser, records = SubGoalParser(), []
    for text in answers:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        episode = episode_of(records)
        batch = {columns.GENERATIONS: [SimpleNamespace(token_ids=ids)]}
        batch = DecodeResponse(tokenizer, parser.tags)(batch=batch)
        assert batch[columns.RESPONSE_TEXT] == [text]
        (step,) = FollowSubGoals(parser, tokenizer)(batch=batch, episodes=[episode])[
            columns.SUB_GOALS
        ]
        assert len(step.token_levels) == len(ids)
        records.append(step_record(response_token_ids=ids, sub_goal=step))
    return [record.sub_goal for record in records]


def test_a_sub_goal_lasts_until_a_switch(tokenizer):
    steps = followed(
        tokenizer,
        answer("SWITCH", "reach the door"),
        answer("KEEP", "reach the door"),
        answer("KEEP", "Reach  the DOOR"),
        answer("SWITCH", "up"),
        answer("SWITCH", "up"),
    )
    assert [step.sub_goal for step in steps] == [*["reach the door"] * 3, "up", "up"]
    assert [step.starts_segment for step in steps] == [True, False, False, True, True]
    assert not any(step.is_contradictory for step in steps)
    assert all(step.has_blocks for step in steps)


def test_another_text_under_keep_changes_nothing_and_is_a_contradiction(tokenizer):
    steps = followed(
        tokenizer,
        answer("KEEP", "reach the door"),  # nothing to keep
        answer("KEEP", "up"),
        answer("KEEP", "reach the door"),
    )
    assert [step.sub_goal for step in steps] == ["reach the door"] * 3
    assert [step.starts_segment for step in steps] == [True, False, False]
    assert [step.is_contradictory for step in steps] == [True, True, False]


def test_an_answer_without_blocks_goes_on_and_is_all_action(tokenizer):
    steps = followed(tokenizer, "up", answer("SWITCH", "up"), "<action>go</action>", "go")
    assert [step.sub_goal for step in steps] == ["", "up", "up", "up"]
    assert [step.starts_segment for step in steps] == [True, True, False, False]
    assert [step.has_blocks for step in steps] == [False, True, False, False]
    assert set(steps[0].token_levels) == set(steps[2].token_levels) == {ACTION}


def test_the_tokens_of_each_block_spell_it(tokenizer):
    text = f"<think>Up?</think>{answer('KEEP', 'reach the door')}"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    (step,) = followed(tokenizer, text)

    def spelled(level):
        return tokenizer.decode(
            [i for i, at in zip(ids, step.token_levels, strict=False) if at == level]
        )

    # A token across two blocks belongs to the first, so a bracket may be missing or too many.
    assert "switch>KEEP</switch" in spelled(SWITCH)
    assert "subgoal>reach the door</subgoal" in spelled(SUB_GOAL)
    assert "action>go</action>" in spelled(ACTION)
    assert step.token_levels[-1] == ACTION  # the end of the turn


def sub_goal(text, *, starts=False, wrong=False, levels=(SWITCH, SUB_GOAL, ACTION)):
    return SubGoalStep(text, starts, wrong, np.array(levels, dtype=np.int8))


def test_the_next_prompt_gets_what_is_pursued():
    steps = [sub_goal("door", starts=True), sub_goal("attic", starts=True)]
    episode = episode_of([step_record(sub_goal=step) for step in steps])
    assert [sub_goal_before(episode, step) for step in (0, 1, -1)] == ["", "door", "attic"]
    assert prompt_inputs(episode, "hall").sub_goal == "attic"
    assert prompt_inputs(episode, "hall", step=1).sub_goal == "door"
    assert sub_goal_before(episode_of([])) == ""
    assert sub_goal_before(episode_of([step_record()])) == ""  # a run without sub-goals


def test_rows_learn_their_segments_their_levels_and_their_penalties():
    first = [
        step_record(num_tokens=3, sub_goal=sub_goal("a", starts=True)),
        step_record(num_tokens=3, sub_goal=sub_goal("a", wrong=True)),
    ]
    second = [step_record(num_tokens=1, sub_goal=sub_goal("", starts=True, levels=[ACTION]))]
    episodes = [episode_of(first), episode_of(second)]
    batch = ReadSteps()(batch={}, episodes=episodes)
    batch = ReadSubGoals(penalty=0.3)(batch=batch, episodes=episodes)
    assert batch[columns.SEGMENT_STARTS].tolist() == [True, False, True]
    assert batch[columns.TOKEN_LEVELS].tolist() == [2, 1, 0, 2, 1, 0, 0]
    assert batch[columns.PENALTIES].tolist() == [0.0, 0.3, 0.0]
    assert batch[columns.CREDIT_METRICS] == {
        "sub_goals_per_episode": 1.0,
        "steps_per_sub_goal": 1.5,
        "sub_goal_missing_share": pytest.approx(1 / 3),
        "sub_goal_contradiction_share": pytest.approx(1 / 3),
    }
