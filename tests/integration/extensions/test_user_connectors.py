"""A user's connector works in each of the three pipelines and displaces none of ours."""

import numpy as np
import pytest
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.models.tokenizer import load_tokenizer


class ShoutTheObservation(ConnectorV2):
    """An env-to-module connector that changes the newest observation before it is a prompt."""

    def __call__(self, *, batch, episodes, **kwargs):
        for episode in episodes:
            text = episode.get_observations(-1).upper()
            episode.set_observations(new_data=[text], at_indices=[-1])
        return batch


class AlwaysGoLeft(ConnectorV2):
    """A module-to-env connector that replaces the model's response."""

    def __init__(self, tokenizer, **kwargs):
        super().__init__(**kwargs)
        self.ids = tokenizer.encode("go left")

    def __call__(self, *, batch, **kwargs):
        from dataclasses import replace

        batch[columns.GENERATIONS] = [
            replace(generation, token_ids=self.ids) for generation in batch[columns.GENERATIONS]
        ]
        return batch


class RewardByMember(ConnectorV2):
    """A Learner connector that gives the k-th member of a group the reward k in its first step."""

    def __call__(self, *, batch, episodes, **kwargs):
        for episode in episodes:
            rewards = [float(episode.custom_data[columns.MEMBER])] + [0.0] * (len(episode) - 1)
            episode.set_rewards(new_data=rewards)
        return batch


@pytest.fixture
def config(corridor_config, tiny_folder):
    """Make a config in which all episodes go left and earn the same; without entropy bonus."""
    tokenizer = load_tokenizer(tiny_folder)
    return corridor_config(entropy_coeff=0.0).env_runners(
        env_to_module_connector=lambda env, spaces, device: ShoutTheObservation(),
        module_to_env_connector=lambda env, spaces, device=None: AlwaysGoLeft(tokenizer),
    )


def test_pieces_in_the_runners_pipelines_change_prompts_and_actions(build, config):
    algorithm = build(config)
    result = algorithm.train()
    (batch,) = algorithm.batches
    for episode in batch["episodes"]:
        records = step_records([episode])
        assert "YOU STAND AT DOOR" in records[0].prompt_text
        assert {record.action_text for record in records} == {"go left"}
    assert result["env_runners"]["format_valid_rate"] == 1.0
    # The episodes are equal, so without a user's Learner connector there is nothing to learn.
    np.testing.assert_array_equal(batch[columns.ADVANTAGES], 0.0)
    assert result["learners"]["default_policy"]["grad_norm"] == 0.0


def test_a_piece_in_the_learners_pipeline_changes_the_loss(build, config):
    algorithm = build(config.training(learner_connector=lambda obs, act: RewardByMember()))
    result = algorithm.train()
    (batch,) = algorithm.batches
    members = np.repeat(
        [episode.custom_data[columns.MEMBER] for episode in batch["episodes"]],
        [len(episode) for episode in batch["episodes"]],
    )
    np.testing.assert_array_equal(batch[columns.EPISODE_RETURNS], members)
    means = [batch[columns.EPISODE_ADVANTAGES][members == member].mean() for member in range(4)]
    assert means == sorted(means)
    assert means[0] < 0 < means[3]
    assert result["learners"]["default_policy"]["grad_norm"] > 0.0
