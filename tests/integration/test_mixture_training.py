"""One run over several environments: exact shares of groups, and metrics and statistics by tag."""

import numpy as np

from rllib_gigpo import columns

CORRIDOR = "rllib_gigpo.envs:Corridor-v0"


def test_every_iteration_has_the_shares_and_metrics_by_tag(build, corridor_config):
    short = {"env": CORRIDOR, "env_config": {"length": 2, "max_steps": 6}, "tags": ["short"]}
    long = {"env": CORRIDOR, "env_config": {"length": 20, "max_steps": 6}, "tags": ["long"]}
    config = corridor_config(
        num_groups=3,
        group_size=2,
        rule={
            "name": "step_reinforce",
            "reward_normalization": {"grouping": "tags", "method": "mean"},
        },
    )
    config.env_config = {}  # RLlib would merge it with the new one
    config.environment(
        "rllib_gigpo.envs:Mixture-v0", env_config={"parts": [{**short, "share": 2}, long]}
    )
    algorithm = build(config.tasks(num_train_tasks=9, task_period=3))
    for _ in range(2):
        tags = algorithm.train()["env_runners"]["tags"]
        assert {tag: tags[tag]["num_episodes"] for tag in ("short", "long")} == {
            "short": 4,
            "long": 2,
        }
        assert tags["short"]["episode_return_mean"] >= tags["long"]["episode_return_mean"] == 0.0
        batch = algorithm.last_batch
        labels = batch[columns.TAG_IDS]
        last_tokens = np.cumsum(batch[columns.RESPONSE_LENGTHS]) - 1
        advantages = batch[columns.ADVANTAGES][last_tokens]
        assert len(set(labels.tolist())) == 2
        for label in set(labels.tolist()):
            of_tag = advantages[labels == label]
            np.testing.assert_allclose(of_tag.mean(), 0.0, atol=1e-12)
