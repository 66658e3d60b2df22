"""Episodes -> columns: the labels of groups, tags, trajectories and steps."""

import numpy as np
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.connectors.credit.read_steps import ReadSteps


def episode(num_steps, *, group_id=0, first_info=None):
    records = [
        step_record(
            num_tokens=step + 1, reward=float(step), anchor="start" if step == 0 else "next"
        )
        for step in range(num_steps)
    ]
    return episode_of(records, group_id=group_id, first_info=first_info)


def read(*episodes):
    return ReadSteps()(batch={}, episodes=list(episodes))


def test_equal_sets_of_tags_have_one_label_in_any_order_and_none_is_a_label_too():
    batch = read(
        episode(2, first_info={"tags": ["cook", "hard"]}),
        episode(1, first_info={"tags": ["cook"]}),
        episode(1, first_info={"tags": ["hard", "cook", "cook"]}),
        episode(2),
        episode(1, first_info={"tags": []}),
    )
    np.testing.assert_array_equal(batch[columns.TAG_IDS], [0, 0, 1, 0, 2, 2, 2])


def test_labels_follow_the_steps_of_the_episodes():
    batch = read(episode(2, group_id=7), episode(1, group_id=9))
    np.testing.assert_array_equal(batch[columns.GROUP_IDS], [7, 7, 9])
    np.testing.assert_array_equal(batch[columns.TRAJECTORY_IDS], [0, 0, 1])
    np.testing.assert_array_equal(batch[columns.STEP_IDS], [0, 1, 0])
    np.testing.assert_array_equal(batch[columns.REWARDS], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(batch[columns.RESPONSE_LENGTHS], [1, 2, 1])
    assert batch[columns.ANCHORS] == ["start", "next", "start"]


def test_penalties_are_none_at_first_or_those_of_a_connector_before():
    one = episode(2)
    np.testing.assert_array_equal(read(one)[columns.PENALTIES], [0.0, 0.0])
    given = {columns.PENALTIES: np.array([0.5, 0.0])}
    batch = ReadSteps()(batch=given, episodes=[one])
    np.testing.assert_array_equal(batch[columns.PENALTIES], [0.5, 0.0])


def test_equal_actions_have_one_number_and_every_step_knows_whether_its_episode_won():
    turns = [
        [step_record(action_text="go"), step_record(action_text="stop", reward=1.0)],
        [step_record(action_text="stop"), step_record(action_text="go")],
    ]
    batch = read(*(episode_of(records) for records in turns))
    np.testing.assert_array_equal(batch[columns.ACTION_IDS], [0, 1, 1, 0])
    np.testing.assert_array_equal(batch[columns.WON], [True, True, False, False])
    assert batch[columns.WON].dtype == bool
