"""Warm starts of environments that show pictures: a small Idefics3, its tower included."""

import json

import gymnasium
import numpy as np
import pytest
from support.images.picture_world import PictureWorld

from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image import Image
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.tokenizer import load_tokenizer
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    TinyModelSettings,
    WarmStartSettings,
    read_report,
    warm_start,
)
from rllib_gigpo.warm_start.cache import cache_key

gymnasium.register("PictureWorld-v0", PictureWorld)


def settings(**changes):
    given = {
        "env": "PictureWorld-v0",
        "seeds": tuple(range(24)),
        "prompting": PromptSettings(
            template="{{ observation }}", history_length=0, max_prompt_tokens=64
        ),
        "demonstrations": DemonstrationSettings(random_label_probability=0.0, episodes_per_seed=2),
        "tiny_model": TinyModelSettings(
            hidden_size=64, num_heads=2, image_size=48, patch_size=24, max_position_embeddings=128
        ),
        "fit": FitSettings(num_epochs=8, lr=2e-3, batch_tokens=256),
    }
    return WarmStartSettings(**{**given, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return warm_start(settings(), cache_dir=tmp_path_factory.mktemp("cache"))


def test_the_model_learns_what_the_pictures_say(folder):
    report = read_report(folder)
    assert report.token_accuracies[-1] > 0.95
    assert report.losses[-1] < report.losses[0] / 4


def test_the_folder_is_a_whole_model_of_text_and_images(folder):
    model = load_causal_lm(folder)
    assert model.config.model_type == "idefics3"
    assert model.config.vision_config.image_size == 48
    load_tokenizer(folder)
    family = vision_family(folder)
    image = Image.of(np.zeros((48, 48, 3), np.uint8))
    assert family.expansion(image).count(family.token_id) == 4


def test_the_vocabulary_holds_no_hashes_of_images(folder):
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    digits = [word for word in vocabulary if len(word) > 2 and set(word) <= set("0123456789abcdef")]
    assert not [word for word in digits if any(letter.isdigit() for letter in word)]


def test_the_fitted_tower_is_not_the_one_that_it_began_with(folder):
    from rllib_gigpo.models.vision.tiny_vision_model import build_vision_model

    fitted = load_causal_lm(folder)
    fresh = build_vision_model(
        load_tokenizer(folder),
        image_size=48,
        patch_size=24,
        hidden_size=64,
        num_heads=2,
        max_position_embeddings=128,
    )
    names = [name for name, _ in fresh.named_parameters() if ".vision_model.encoder." in name]
    changed = dict(fitted.named_parameters())
    assert names
    assert all((dict(fresh.named_parameters())[name] != changed[name]).any() for name in names)


def test_a_wrong_picture_is_told_with_the_seed():
    gymnasium.register("WideWorld-v0", PictureWorld, kwargs={"observation": "wide"})
    with pytest.raises(EnvContractError, match="with 4 channels"):
        warm_start(settings(env="WideWorld-v0"), cache_dir=None, output=None)


class Words(PictureWorld):
    """A world whose observations are parts of text."""

    def __init__(self):
        super().__init__("dict")
        self.observation_space = gymnasium.spaces.Dict({"said": gymnasium.spaces.Text(10)})


def test_a_dict_without_an_image_is_refused():
    gymnasium.register("Words-v0", Words)
    with pytest.raises(EnvContractError, match="needs a text environment, but the observation"):
        warm_start(settings(env="Words-v0"))


def test_sizes_of_images_change_the_key_only_if_they_are_set():
    text = settings(tiny_model=TinyModelSettings())
    assert cache_key(text) == cache_key(settings(tiny_model=TinyModelSettings(image_size=None)))
    assert cache_key(text) != cache_key(settings(tiny_model=TinyModelSettings(image_size=96)))
