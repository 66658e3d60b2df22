"""Ray Tune over flat and nested settings: the parts of a trial match its config."""

import pytest
from ray import tune
from ray.rllib.callbacks.callbacks import RLlibCallback

pytestmark = pytest.mark.slow


def reporter() -> type[RLlibCallback]:
    """Make a callback that reports the settings of the parts that a trial is built of."""

    class ReportSettings(RLlibCallback):  # an inner class reaches the trial by value
        def on_train_result(self, *, algorithm, result, **kwargs):
            settings = algorithm.settings
            result["built"] = {
                "lr": settings.optimizer.lr,
                "policy_loss": settings.loss.policy_loss.name,
                "clip_param_high": settings.loss.policy_loss.clip_param_high,
                "aggregation": settings.loss.loss_aggregation.name,
                "rule": settings.credit.rule.name,
                "warmup": settings.optimizer.lr_schedule.warmup_iterations,
            }

    return ReportSettings


@pytest.fixture(scope="module")
def grid(ray_session, corridor_config, tmp_path_factory):
    """Run four trials of one iteration: a grid over two settings, and draws of two others."""
    config = corridor_config(
        lr=tune.grid_search([1e-3, 1e-2]),
        policy_loss={"name": tune.choice(["ppo", "cispo"]), "clip_param_high": 0.3},
        loss_aggregation={"name": tune.grid_search(["token_mean", "seq_mean_token_sum"])},
        lr_schedule=tune.choice([{"name": "constant", "warmup_iterations": 3}]),
        rule={"name": "support.own_rules:ReturnsOnly"},
    )
    config.inference(engine="support.quick_engine:QuickEngine").callbacks(reporter())
    tuner = tune.Tuner(
        "GiGPO",
        param_space=config,
        tune_config=tune.TuneConfig(
            max_concurrent_trials=2, search_alg=tune.search.BasicVariantGenerator(random_state=0)
        ),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path_factory.mktemp("tune")), stop={"training_iteration": 1}
        ),
    )
    return tuner.fit()


def test_every_trial_of_a_grid_over_flat_and_nested_settings_runs(grid):
    assert not grid.errors
    pairs = {(one.config["lr"], one.config["loss_aggregation"]["name"]) for one in grid}
    assert pairs == {
        (lr, name) for lr in (1e-3, 1e-2) for name in ("token_mean", "seq_mean_token_sum")
    }


def test_the_parts_of_a_trial_are_those_of_its_config(grid):
    for one in grid:
        built = one.metrics["built"]
        assert built["lr"] == one.config["lr"]
        assert built["aggregation"] == one.config["loss_aggregation"]["name"]
        assert built["policy_loss"] == one.config["policy_loss"]["name"]
        assert built["clip_param_high"] == 0.3
        assert built["warmup"] == 3


def test_a_choice_inside_a_nested_setting_is_drawn(grid):
    names = {one.config["policy_loss"]["name"] for one in grid}
    assert names == {"ppo", "cispo"}


def test_a_trial_imports_a_rule_of_the_user_by_its_path(grid):
    assert {one.metrics["built"]["rule"] for one in grid} == {"returns_only"}
