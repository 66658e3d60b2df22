"""Two agents in one environment, with real Ray: prompts, credit, metrics and transcripts."""

import itertools

import numpy as np
import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import turns_by_role
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.reports.transcripts import transcript_lines

ROLES = ("alice", "bob")


@pytest.fixture(
    scope="module", params=["step", pytest.param("conversation", marks=pytest.mark.slow)]
)
def run(request, ray_session, corridor_config):
    """A run of two iterations, in both styles of prompts."""
    config = corridor_config().environment("support.games.two_voices:TwoVoices-v0")
    config.env_config = {}  # none of the corridor's
    config.inference(engine="transformers").llm(max_prompt_tokens=1000)
    config.prompting(style=request.param, template="default", history_length=8)
    algorithm = config.build_algo()
    algorithm.style = request.param
    algorithm.results = [algorithm.train() for _ in range(2)]
    yield algorithm
    algorithm.stop()


@pytest.fixture
def episodes(run):
    return [episode for batch in run.batches for episode in batch["episodes"]]


def test_a_prompt_shows_a_role_its_own_turns_and_task_and_nothing_of_the_other(episodes):
    for episode in episodes:
        for turn, record in enumerate(step_records([episode])):
            own, other = ROLES[turn % 2], ROLES[1 - turn % 2]
            assert record.role == own
            assert f"the plan of {own}" in record.prompt_text
            assert other not in record.prompt_text
            shown = [f"{own} sees {number}." in record.prompt_text for number in range(6)]
            assert shown == [number <= turn and number % 2 == turn % 2 for number in range(6)]
            assert f"[turn {turn // 2 + 1}] current" in record.prompt_text


def test_each_role_holds_a_conversation_of_its_own(run, episodes):
    if run.style == "step":
        assert {record.num_message_tokens for record in step_records(episodes)} == {0}
        return
    for episode, role in itertools.product(episodes, ROLES):
        records = [one for one in step_records([episode]) if one.role == role]
        for record, following in itertools.pairwise(records):
            kept = [*record.prompt_token_ids, *record.response_token_ids]
            assert list(following.prompt_token_ids[: len(kept)]) == kept
            assert following.num_message_tokens == len(following.prompt_token_ids) - len(kept)


def test_the_ratio_on_fresh_data_is_one(run):
    for result in run.results:
        assert result["learners"][DEFAULT_MODULE_ID]["max_ratio_deviation_fresh"] <= 1e-4


def test_returns_are_those_of_the_roles(run):
    for batch in run.batches:
        returns = iter(batch[columns.EPISODE_RETURNS])
        for episode in batch["episodes"]:
            totals = {part.role: part.total for part in turns_by_role(episode)}
            assert totals["bob"] == 2 * totals["alice"]
            assert [next(returns) for _ in range(6)] == [totals["alice"], totals["bob"]] * 3
        groups = np.array(batch[columns.GROUP_IDS]).reshape(-1, 2)
        assert len(np.unique(groups)) == 2 * len(np.unique(groups[:, 0]))


def test_metrics_are_told_for_each_role(run):
    for result in run.results:
        played, credit = result["env_runners"]["roles"], result["credit"]["roles"]
        assert set(played) == set(credit) == set(ROLES)
        assert played["alice"]["num_turns_mean"] == 3
        assert played["bob"]["episode_return_mean"] == 2 * played["alice"]["episode_return_mean"]
        assert (
            played["alice"]["episode_return_mean"] == result["env_runners"]["episode_return_mean"]
        )
        assert credit["bob"]["recurring_row_share"] == 1.0  # all episodes pass the same states


def test_transcripts_name_the_role_and_what_the_environment_paid(run):
    lines = list(transcript_lines(run.batches[-1], num_groups="all"))
    assert [line["role"] for line in lines[:6]] == list(ROLES) * 3
    for line in lines:
        if line["is_last"]:
            assert line["rewards"] == 2 * line["env_reward"]
