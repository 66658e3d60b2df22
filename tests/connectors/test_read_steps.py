"""Episodes -> columns: labels of groups, tags, trajectories and steps."""

import numpy as np
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.connectors.credit.read_steps import ReadSteps


def episode(num_steps, *, group_id=0, first_info=None):
    """Later infos name no tags: they are those of the task, told at reset."""
    result = SingleAgentEpisode()
    result.custom_data[columns.GROUP_ID] = group_id
    result.add_env_reset("start", first_info or {})
    for step in range(num_steps):
        result.add_env_step(
            observation="next",
            action="go",
            reward=float(step),
            infos={},
            terminated=step == num_steps - 1,
            extra_model_outputs={
                columns.IS_FORMAT_VALID: True,
                columns.IS_ADMISSIBLE: True,
                columns.RESPONSE_TOKEN_IDS: [1] * (step + 1),
            },
        )
    return result


def read(*episodes):
    return ReadSteps(format_penalty=0.0, admissible_penalty=0.0)(batch={}, episodes=list(episodes))


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
