"""The records of an episode's steps: prompt, answer, reward and weight versions."""

from dataclasses import replace

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.inference_engine import Generation, SamplingSettings
from rllib_gigpo.env_runner.episodes.episode_recorder import EpisodeRecorder
from rllib_gigpo.env_runner.pools.env_pool import EnvEvent
from rllib_gigpo.prompting.action_parser import ParsedAction
from rllib_gigpo.prompting.prompt_record import Prompt

TASK = GroupTask("test-4", seed=17, group_size=3, sampling=SamplingSettings())
PROMPT = Prompt(token_ids=[5, 6], text="what now?")
ANSWER = Generation(
    request_id="test-4-2-0",
    token_ids=[7, 8, 9],
    logp=np.array([-1.0, -2.0, -3.0], np.float32),
    weight_version=3,
    finish_reason="length",
    token_versions=np.array([3, 3, 4]),
)
PARSED = ParsedAction("go", is_format_valid=True, is_admissible=False)


def play_step(recorder, *, prompt=PROMPT, answer=ANSWER, info=None, is_last=False, **event):
    recorder.add_prompt(prompt, "a door, as text")
    recorder.add_answer(answer, text="<action>go</action>", parsed=PARSED, action=1)
    recorder.add_step(EnvEvent(0, observation="a room", info=info, **event), is_last=is_last)


@pytest.fixture
def recorder():
    recorder = EpisodeRecorder(TASK, member=2)
    recorder.add_reset(EnvEvent(0, observation="a door", info={"anchor": ("door", 1)}))
    return recorder


def test_a_record_holds_the_step_from_prompt_to_reward(recorder):
    play_step(recorder, reward=0.5)
    (record,) = step_records([recorder.episode])
    assert (record.prompt_token_ids, record.prompt_text) == ([5, 6], "what now?")
    assert record.response_token_ids == [7, 8, 9]
    assert record.rollout_logp is ANSWER.logp
    assert record.response_text == "<action>go</action>"
    assert record.action_text == "go"
    assert (record.is_format_valid, record.is_admissible) == (True, False)
    assert record.is_response_cut
    assert record.reward == recorder.episode.get_rewards(0) == 0.5
    assert recorder.episode.get_actions(0) == 1


def test_an_episode_knows_its_task_group_and_member(recorder):
    data = recorder.episode.custom_data
    assert (data[columns.TASK], data[columns.GROUP_ID], data[columns.MEMBER]) == (17, "test-4", 2)
    assert recorder.episode.id_ == "test-4-2"


def test_the_anchor_is_the_infos_before_the_step_or_the_text_of_the_observation(recorder):
    play_step(recorder, info={"anchor": "kitchen"})
    play_step(recorder, info={})
    play_step(recorder)
    anchors = [record.anchor for record in step_records([recorder.episode])]
    assert anchors == [("door", 1), "kitchen", "a door, as text"]


def test_every_token_keeps_its_version_and_the_step_has_the_oldest(recorder):
    play_step(recorder)
    empty = replace(ANSWER, token_ids=[], token_versions=np.array([], dtype=np.int64))
    play_step(recorder, answer=empty)
    first, second = step_records([recorder.episode])
    assert first.token_versions.tolist() == [3, 3, 4]
    assert (first.policy_version, second.policy_version) == (3, -1)


@pytest.mark.parametrize(
    ("cut", "is_cut"),
    [
        ({}, False),
        ({"num_dropped_history": 1}, True),
        ({"observation_cut": True}, True),
        ({"is_cut_further": True}, True),
    ],
    ids=["whole", "history", "observation", "fixed part"],
)
def test_a_prompt_is_cut_wherever_something_was_left_out(recorder, cut, is_cut):
    play_step(recorder, prompt=replace(PROMPT, **cut))
    (record,) = step_records([recorder.episode])
    assert record.is_prompt_cut is is_cut


@pytest.mark.parametrize(
    ("event", "is_last", "ends"),
    [
        ({}, False, (False, False)),
        ({}, True, (False, True)),
        ({"terminated": True}, True, (True, False)),
        ({"truncated": True}, False, (False, True)),
    ],
)
def test_the_last_step_truncates_what_has_not_terminated(recorder, event, is_last, ends):
    play_step(recorder, is_last=is_last, **event)
    assert (recorder.episode.is_terminated, recorder.episode.is_truncated) == ends


def test_a_record_names_the_role_that_acted():
    recorder = EpisodeRecorder(TASK, member=0)
    recorder.add_reset(EnvEvent(0, observation="a map", info={"role": "guide"}))
    play_step(recorder, info={"role": "walker"}, reward=0.0)
    play_step(recorder, info={}, reward=1.0, terminated=True)
    assert [record.role for record in step_records([recorder.episode])] == ["guide", "walker"]


def test_without_roles_a_record_names_none(recorder):
    play_step(recorder, reward=0.5)
    assert step_records([recorder.episode])[0].role == ""


def test_an_action_without_effect_pays_the_roles_nothing_again(recorder):
    play_step(recorder, reward=0.0, info={"role": "a", "role_rewards": {"b": 1.0}})
    event = recorder.unchanged(slot=0)
    assert event.info == {"role": "a"}
    assert recorder.episode.get_infos(-1)["role_rewards"] == {"b": 1.0}
