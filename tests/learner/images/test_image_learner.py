"""Learners that see: one, and several of which some get no images."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from support.images.vision import pictures, prompt_of, save_idefics3
from support.models.learner_groups import of_each

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.config import sections
from rllib_gigpo.learner.second_models.value_update import values_of
from rllib_gigpo.media.image import Image
from rllib_gigpo.media.row_images import RowImages
from rllib_gigpo.models.causal_lm import open_causal_lm, trunk_of
from rllib_gigpo.models.lora import lora_paths
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.tower import tower_of

ONE, TWO = pictures(2)
ANSWER = [30, 31, 32]
ADAPTERS = {"rank": 4, "alpha": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture
def settings(folder):
    """Settings of a Learner without anything that would hide a difference."""
    return {"model_path": folder, "micro_batch_tokens": 60, "num_minibatches": 1, "lr": 0.01}


def model_of(learner):
    return learner.module[DEFAULT_MODULE_ID].unwrapped().model


def weights_of(learner):
    return {name: one.detach().clone() for name, one in model_of(learner).named_parameters()}


def rows_showing(folder, *pictures_of_rows):
    """Return rows that differ in their advantages; each shows some pictures."""
    family = vision_family(folder)
    prompts = [
        prompt_of(family, [[20, 21], *shown, [22 + row % 2]])
        for row, shown in enumerate(pictures_of_rows)
    ]
    number = len(prompts)
    return TokenRows.from_rows(
        [ids for ids, _ in prompts],
        [ANSWER] * number,
        rollout_logp=[np.full(3, -5.7)] * number,
        advantages=np.repeat(np.linspace(-1, 1.5, number), 3),
        minibatch_ids=np.zeros(number, dtype=int),
        num_minibatches=1,
        images=RowImages.of([images for _, images in prompts]),
    )


def test_an_update_changes_the_tower_and_the_language_model(make_learner, train, settings, folder):
    learner = make_learner(**settings)
    before = weights_of(learner)
    train(learner, rows_showing(folder, [ONE], [TWO], [ONE, TWO], []))
    after = weights_of(learner)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    for part in (".vision_model.encoder.", ".connector.", ".text_model.layers."):
        assert any(part in name for name in moved)


@pytest.mark.parametrize("changes", [{"prefix_sharing": True}, {"micro_batch_tokens": 1000}])
def test_layouts_and_micro_batches_do_not_change_an_update(
    make_learner, train, settings, folder, changes
):
    rows = rows_showing(folder, [ONE], [TWO], [ONE, TWO], [], [ONE], [ONE])
    learners = [
        make_learner(**{**settings, "prefix_sharing": False, **more}) for more in ({}, changes)
    ]
    for learner in learners:
        train(learner, rows)
    one, other = map(weights_of, learners)
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], rtol=0, atol=1e-6, msg=name)


def test_equal_images_that_are_not_merged_train_alike(make_learner, train, settings, folder):
    merged = rows_showing(folder, [ONE], [ONE], [TWO])
    learners = [make_learner(**settings) for _ in range(2)]
    train(learners[0], merged)
    train(learners[1], unmerged(merged))
    one, other = map(weights_of, learners)
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], rtol=0, atol=1e-6, msg=name)


def unmerged(rows):
    """Return the rows with another image object, of another key, at each place."""
    images = rows.images
    chosen = [images.images[i] for i in images.image_ids]
    twins = tuple(Image(f"{place}-{one.key}", one.pixels) for place, one in enumerate(chosen))
    return replace(rows, images=replace(images, images=twins, image_ids=np.arange(len(twins))))


@pytest.mark.parametrize("sharding", [pytest.param("ddp", marks=pytest.mark.slow), "fsdp2"])
def test_learners_without_images_wait_for_nobody(
    make_group, make_learner, train, train_group, settings, folder, sharding
):
    rows = rows_showing(folder, [ONE], [], [], [])
    alone = make_learner(**settings)
    train(alone, rows)
    expected = dict(alone.module[DEFAULT_MODULE_ID].unwrapped().weights())
    group = make_group(2, **settings, sharding=sharding)
    train_group(group, rows)
    for found in of_each(group, exported):
        assert found.keys() == expected.keys()
        for name, weight in found.items():
            torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6, msg=name)


def exported(learner):
    """Return a Learner's weights, gathered on all Learners."""
    from torch.distributed.tensor import DTensor

    def whole(tensor):
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    module = learner.module["default_policy"].unwrapped()
    return {name: whole(one).detach().clone() for name, one in module.weights(whole=whole)}


def test_a_frozen_tower_stays_and_the_rest_is_trained(make_learner, train, settings, folder):
    learner = make_learner(**settings, images={"freeze_tower": True})
    before = weights_of(learner)
    train(learner, rows_showing(folder, [ONE], [TWO]))
    after = weights_of(learner)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(".text_model." in name for name in moved)
    assert not any(".vision_model." in name or ".connector." in name for name in moved)


def test_a_critic_of_its_own_keeps_its_tower_too(make_learner, settings):
    learner = make_learner(**settings, images={"freeze_tower": True}, critic="model", rule="ppo")
    backbone = learner.module[DEFAULT_MODULE_ID].unwrapped().critic.backbone
    tower = tower_of(backbone)
    assert tower
    assert not any(one.requires_grad for part in tower.values() for one in part.parameters())


def test_lora_reaches_the_tower_unless_it_is_frozen(make_learner, settings):
    for freeze in (False, True):
        learner = make_learner(**settings, lora=ADAPTERS, images={"freeze_tower": freeze})
        paths = lora_paths(model_of(learner))
        assert any(".text_model." in path for path in paths)
        assert any(".vision_model." in path for path in paths) is not freeze
        tower = tower_of(trunk_of(model_of(learner)))
        trained = [one for part in tower.values() for one in part.parameters() if one.requires_grad]
        assert bool(trained) is not freeze


def test_adapters_are_merged_into_the_weights_of_the_tower(make_learner, train, settings, folder):
    learner = make_learner(**settings, lora=ADAPTERS, optim="adamw")
    before = dict(learner.export_weights())
    train(learner, rows_showing(folder, [ONE], [TWO]))
    after = dict(learner.export_weights())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("vision_model" in name for name in moved)


def test_a_checkpoint_is_a_whole_model_of_text_and_images(
    make_learner, train, settings, folder, tmp_path
):
    learner = make_learner(**settings)
    train(learner, rows_showing(folder, [ONE], [TWO]))
    learner.save_to_path(tmp_path)
    saved = tmp_path / COMPONENT_RL_MODULE
    names = {"preprocessor_config.json", "processor_config.json", "tokenizer.json", "config.json"}
    assert names <= {path.name for path in saved.iterdir()}
    model = open_causal_lm(saved)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, weights_of(learner)[name])
    assert vision_family(saved).expansion(ONE) == vision_family(folder).expansion(ONE)


@pytest.mark.parametrize("critic", ["head", "model"])
def test_a_critic_sees_the_images(make_learner, settings, folder, critic):
    learner = make_learner(**settings, critic=critic, rule="ppo")
    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    with torch.no_grad():
        module.critic.value.weight.normal_()
    rows = rows_showing(folder, [ONE], [TWO])
    one, two = values_of(
        module,
        rows,
        layout=learner._layout,
        sharding=learner.sharding,
        forward=learner._forward_settings,
    )
    assert one != two


def test_a_process_reward_model_sees_the_images_and_keeps_its_tower(make_learner, settings, folder):
    changes = {"rule": "istar", "process_reward": True, "images": {"freeze_tower": True}}
    learner = make_learner(**settings, **changes)
    model = learner.module[DEFAULT_MODULE_ID].unwrapped().process_reward
    tower = tower_of(trunk_of(model.model))
    assert tower
    assert not any(one.requires_grad for part in tower.values() for one in part.parameters())
    rows = rows_showing(folder, [ONE], [TWO])
    assert not learner.implicit_rewards(rows).any()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    one, two = learner.implicit_rewards(rows)
    assert one != two


# ---------------------------------------------------------------- settings


def mistakes_of(make_config, **changes):
    return sections.read(make_config(**changes))[1]


def test_a_folder_without_processor_files_is_refused_in_one_sentence(make_config, folder, tmp_path):
    shutil.copy(f"{folder}/config.json", tmp_path)
    (mistake,) = mistakes_of(make_config, model_path=str(tmp_path))
    assert "the idefics3 model in" in mistake
    assert "has no preprocessor_config.json" in mistake


def test_hot_adapters_need_a_frozen_tower(make_config, folder):
    hot = {"model_path": folder, "lora": {"sync": "adapter"}}
    (mistake,) = mistakes_of(make_config, **hot)
    assert mistake.startswith("lora: sync='adapter' leaves the image tower out")
    assert mistakes_of(make_config, **hot, images={"freeze_tower": True}) == []


def test_freezing_the_tower_of_a_model_of_text_has_no_effect(make_config):
    (mistake,) = mistakes_of(make_config, images={"freeze_tower": True})
    assert "freeze_tower has no effect, because the model in" in mistake
    assert mistake.endswith("reads no images here")


def test_a_prompt_shows_at_least_one_image(make_config, folder):
    (mistake,) = mistakes_of(make_config, model_path=folder, images={"max_in_prompt": 0})
    assert "images.max_in_prompt=0 must be at least 1" in mistake
