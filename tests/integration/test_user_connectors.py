"""A user's connector in each of the three pipelines has its effect and displaces none of ours."""

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns


class ShoutTheObservation(ConnectorV2):
    """Env-to-module: changes the newest observation before it becomes a prompt."""

    def __call__(self, *, batch, episodes, **kwargs):
        for episode in episodes:
            text = episode.get_observations(-1).upper()
            episode.set_observations(new_data=[text], at_indices=[-1])
        return batch


class AlwaysGoLeft(ConnectorV2):
    """Module-to-env: replaces what the model said."""

    def __init__(self, tokenizer, **kwargs):
        super().__init__(**kwargs)
        self.ids = tokenizer.encode("go left")

    def __call__(self, *, batch, **kwargs):
        from dataclasses import replace

        batch[columns.GENERATIONS] = [
            replace(generation, token_ids=self.ids) for generation in batch[columns.GENERATIONS]
        ]
        return batch


class NoReward(ConnectorV2):
    """Learner: takes all rewards away, so that every advantage and the loss become 0."""

    def __call__(self, *, batch, episodes, **kwargs):
        for episode in episodes:
            episode.set_rewards(new_data=[0.0] * len(episode))
        return batch


def test_a_piece_in_each_pipeline_works_and_ours_still_do(build, corridor_config, tiny_folder):
    from rllib_gigpo.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tiny_folder)
    config = (
        corridor_config()
        .env_runners(
            env_to_module_connector=lambda env, spaces, device: ShoutTheObservation(),
            module_to_env_connector=lambda env, spaces, device=None: AlwaysGoLeft(tokenizer),
        )
        .learners(num_learners=0)
        .training(learner_connector=lambda obs_space, act_space: NoReward())
    )
    algorithm = build(config)
    result = algorithm.train()
    (batch,) = algorithm.batches
    for episode in batch["episodes"]:
        assert "YOU STAND AT DOOR" in episode.get_extra_model_outputs(columns.PROMPT_TEXT)[0]
        assert set(episode.get_extra_model_outputs(columns.ACTION_TEXT)) == {"go left"}
    np.testing.assert_array_equal(batch[columns.ADVANTAGES], 0.0)
    assert result["learners"]["default_policy"]["policy_loss"] == 0.0
    # Whoever walks left all the time wins the groups whose goal lies left, so rewards were there.
    assert result["env_runners"]["format_valid_rate"] == 1.0


def test_without_the_users_piece_the_same_batch_has_a_loss(build, corridor_config):
    algorithm = build(corridor_config(admissible_penalty=0.5))
    result = algorithm.train()
    assert np.abs(algorithm.batches[0][columns.ADVANTAGES]).max() > 0
    assert result["learners"]["default_policy"]["grad_norm"] > 0
