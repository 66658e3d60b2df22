"""PPO with a critic and the KL in the reward, as in RLHF: Learners score rows before credit."""

import numpy as np
import pytest
import torch

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.cli.commands.evaluate import evaluate_checkpoint
from rllib_gigpo.connectors.pipelines import prompt_renderer
from rllib_gigpo.prompting.memory import PastStep
from rllib_gigpo.prompting.template import PromptInputs


@pytest.fixture(scope="module")
def trained(ray_session, corridor_config):
    config = corridor_config(
        rule="ppo",
        group_size=1,  # episodes are not compared
        num_groups=8,
        critic={"name": "head", "lr": 1e-2},
        gamma=0.9,
        penalties={"admissible": 0.1},
        kl_coeff=0.1,
        kl={"placement": "reward"},
    )
    # Corridor's own limit is 6 steps; max_episode_steps truncates episodes earlier.
    algorithm = config.tasks(max_episode_steps=3).build_algo()
    results = [algorithm.train()]
    algorithm.state_between = algorithm.learner_group._learner.get_state()
    results.append(algorithm.train())
    yield algorithm, results
    algorithm.stop()


def copy_of(learner):
    copy = type(learner)(config=learner.config, module_spec=learner._module_spec)
    copy.build()
    return copy


def test_a_critic_that_knows_nothing_gives_the_returns(trained):
    batch = trained[0].batches[0]
    assert not batch[columns.VALUES].any()
    # Without values the residuals are the rewards (λ is 0.95).
    rewards = batch[columns.REWARDS] - batch[columns.PENALTIES]
    assert rewards.any()
    last = batch[columns.STEP_IDS] == 2
    advantages = batch[columns.STEP_ADVANTAGES]
    np.testing.assert_allclose(advantages[last], rewards[last])
    np.testing.assert_allclose(batch[columns.VALUE_TARGETS], advantages)
    np.testing.assert_array_equal(
        batch[columns.ADVANTAGES], np.repeat(advantages, batch[columns.RESPONSE_LENGTHS])
    )


def test_later_values_are_of_every_step_and_of_what_was_cut_off(trained):
    batch = trained[0].batches[1]
    assert batch[columns.VALUES].all()
    episodes = batch["episodes"]
    ends = np.cumsum([len(episode) for episode in episodes]) - 1
    for end, episode in zip(ends, episodes, strict=True):
        assert (batch[columns.BOOTSTRAP_VALUES][end] != 0) == episode.is_truncated
    between = np.setdiff1d(np.arange(len(batch[columns.VALUES])), ends)
    assert not batch[columns.BOOTSTRAP_VALUES][between].any()
    assert any(episode.is_truncated for episode in episodes)


def next_prompt(config, episode):
    """Build the prompt of the next turn by hand, from all observations and actions."""
    seen = [str(observation) for observation in episode.get_observations()]
    done = [record.action_text for record in step_records([episode])]
    past = [PastStep(n, *step) for n, step in enumerate(zip(seen[:-1], done, strict=True), 1)]
    info = episode.get_infos(-1)
    inputs = PromptInputs(
        observation=seen[-1],
        task=episode.get_infos(0).get("task", ""),
        admissible_actions=tuple(info.get("admissible_actions", ())),
        history=tuple(past[-config.history_length :]),
        step=len(episode) + 1,
    )
    return prompt_renderer(config.settings).render(inputs).token_ids


def test_each_value_is_that_of_its_own_prompt(trained):
    algorithm, _ = trained
    batch = algorithm.batches[1]
    learner = copy_of(algorithm.learner_group._learner)
    learner.set_state(algorithm.state_between)
    module = learner.module["default_policy"]

    @torch.no_grad()
    def value(prompt):
        ids = torch.tensor([list(prompt)])
        hidden = module.model.base_model(input_ids=ids).last_hidden_state
        return module.critic.value(hidden[0, -1]).item()

    expected = [value(record.prompt_token_ids) for record in step_records(batch["episodes"])]
    np.testing.assert_allclose(batch[columns.VALUES], expected, atol=1e-5)
    ends = np.cumsum([len(episode) for episode in batch["episodes"]]) - 1
    bootstrap = [
        value(next_prompt(algorithm.config, episode)) if episode.is_truncated else 0.0
        for episode in batch["episodes"]
    ]
    np.testing.assert_allclose(batch[columns.BOOTSTRAP_VALUES][ends], bootstrap, atol=1e-5)
    # The values differ, so a mix-up of prompts would be detected.
    assert len(set(np.round(expected + bootstrap, 4))) > 5


def test_the_critic_is_reported_and_the_policy_stays_fresh(trained):
    for result in trained[1]:
        metrics = result["learners"]["default_policy"]
        assert metrics["max_ratio_deviation_fresh"] < 1e-4
        assert metrics["vf_loss"] >= 0.0
        assert np.isfinite(metrics["vf_error"])


def test_the_divergence_is_taken_from_the_reward_and_not_from_the_loss(trained):
    algorithm, results = trained
    first, second = algorithm.batches
    assert np.abs(first[columns.KL_PENALTIES]).max() < 1e-6
    assert (second[columns.KL_PENALTIES] > 0).any()
    earned = np.concatenate([episode.get_rewards() for episode in second["episodes"]])
    np.testing.assert_allclose(
        second[columns.REWARDS], earned - second[columns.KL_PENALTIES], atol=1e-12
    )
    assert results[1]["credit"]["kl_penalty_mean"] > 0
    assert results[1]["learners"]["default_policy"]["kl_to_reference"] == 0.0


def test_a_checkpoint_with_a_critic_is_evaluated_and_gone_on_with(trained, tmp_path):
    algorithm = trained[0]
    algorithm.save_to_path(str(tmp_path))
    assert evaluate_checkpoint(tmp_path)["env_runners"]["num_episodes"] == 4
    learner = algorithm.learner_group._learner
    restored = copy_of(learner)
    restored.restore_from_path(str(tmp_path / "learner_group" / "learner"))
    weights = learner.module["default_policy"].critic.state_dict()
    for name, value in restored.module["default_policy"].critic.state_dict().items():
        assert value.abs().sum() > 0
        np.testing.assert_array_equal(value, weights[name])
