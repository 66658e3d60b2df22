"""Every setting of RLlib acts, is fixed, or is refused in words when it is changed."""

from collections import Counter

import pytest
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.env_runner.callback_checks import UNCALLED_HOOKS
from rllib_gigpo.options import rllib_table as table

REFUSED = {
    **table.REPLACED,
    **{n: why for why, names in table.WITHOUT_EFFECT.items() for n in names},
}
OF_OTHER_ALGORITHMS = {"use_kl_loss"}
# Values that differ from the defaults, where a text would not do.
VALUES = {"policies": {"a", "b"}}


@pytest.mark.fault("case 3", promise="Every setting of the installed RLlib is in one table.")
def test_every_setting_of_the_installed_ray_is_in_exactly_one_table():
    tables = [table.ACTING, table.FIXED, table.COMPUTED, table.REPLACED]
    listed = Counter(name for one in [*tables, *table.WITHOUT_EFFECT.values()] for name in one)
    settings = set(vars(AlgorithmConfig()))
    assert sorted(settings - listed.keys()) == []
    assert sorted(listed.keys() - settings - OF_OTHER_ALGORITHMS) == []
    assert [name for name, number in listed.items() if number > 1] == []
    assert set(table.DEFAULTS) <= table.ACTING


@pytest.mark.fault("case 3", promise="A setting of RLlib without effect is refused by its name.")
def test_every_setting_without_effect_is_named_at_once(config, mistakes):
    for name in REFUSED:
        setattr(config, name, VALUES.get(name, "changed"))
    text = mistakes(config)
    assert [
        n for n, why in REFUSED.items() if f"{n.lstrip('_')}=" not in text or why not in text
    ] == []


@pytest.mark.parametrize("name", table.FIXED)
def test_a_fixed_setting_cannot_be_changed(config, mistakes, name):
    value, reason = table.FIXED[name]
    setattr(config, name, (not value) if isinstance(value, bool) else "other")
    text = mistakes(config)
    assert f"{name.lstrip('_')}=" in text
    assert reason in text


@pytest.mark.fault("case 3", promise="Minima per iteration are refused: an iteration is a batch.")
@pytest.mark.parametrize("unit", ["time_s", "sample_timesteps", "train_timesteps"])
def test_an_iteration_has_no_minimum(config, mistakes, unit):
    text = mistakes(config.reporting(**{f"min_{unit}_per_iteration": 100}))
    assert f"min_{unit}_per_iteration=100 has no effect here: an iteration is one batch" in text
    config.reporting(**{f"min_{unit}_per_iteration": 0}).validate()


@pytest.mark.parametrize(
    "copied",
    [
        lambda config: config.copy(copy_frozen=False),
        lambda config: type(config)().update_from_dict(config.to_dict()),
        lambda config: type(config).from_state(config.get_state()),
    ],
)
def test_no_copy_of_a_valid_config_is_refused(config, copied):
    config.validate()
    config.validate()
    copied(config).validate()


# ------------------------------------------------------------------ callbacks


@pytest.mark.fault("case 3", promise="A hook that is never called is refused by its name.")
@pytest.mark.parametrize("hook", UNCALLED_HOOKS)
def test_a_hook_that_is_never_called_is_refused(config, mistakes, hook):
    mine = type("Mine", (RLlibCallback,), {hook: lambda self, **kwargs: None})
    text = mistakes(config.callbacks([RLlibCallback, mine]))
    assert f"{hook} of Mine is never called: {UNCALLED_HOOKS[hook]}" in text


@pytest.mark.fault("case 3", promise="A hook that cannot reach other processes is refused.")
def test_environments_in_workers_have_no_hook_at_their_creation(config, mistakes):
    config.callbacks(on_environment_created=print)
    config.validate()
    assert "on_environment_created cannot reach" in mistakes(config.env_runners(num_env_workers=1))


def test_the_tables_say_what_a_new_config_has():
    config = GiGPOConfig()
    fixed = {name: value for name, (value, _) in table.FIXED.items()}
    assert {name: getattr(config, name) for name in {**fixed, **table.DEFAULTS}} == {
        **fixed,
        **table.DEFAULTS,
    }
