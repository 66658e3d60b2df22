"""From pixels to tokens and inputs, against transformers' own processors."""

import copy
import json
import shutil

import numpy as np
import pytest
from support.images.vision import SIDE, pictures, save_idefics3, save_qwen_vl
from transformers import Idefics3Processor

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.media.image import Image
from rllib_gigpo.models import context
from rllib_gigpo.models.context import reads_images, vision_part
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import open_tokenizer
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.image_settings import ImageSettings


def wide_picture():
    return Image.of(np.random.default_rng(1).integers(0, 256, (SIDE, 100, 3), dtype=np.uint8))


def split_into_tiles(folder):
    """Let the processor split images that are larger than a tile."""
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text())
    settings |= {"do_image_splitting": True, "size": {"longest_edge": 2 * SIDE}}
    file.write_text(json.dumps(settings))


@pytest.mark.parametrize("splits", [False, True])
@pytest.mark.parametrize("picture", [pictures(1)[0], wide_picture()], ids=["square", "wide"])
def test_an_image_becomes_the_tokens_of_transformers_processor(tmp_path, splits, picture):
    save_idefics3(tmp_path)
    if splits:
        split_into_tiles(tmp_path)
    family = vision_family(tmp_path)
    tokenizer = open_tokenizer(tmp_path)
    processor = Idefics3Processor(family._processor, tokenizer, image_seq_len=9)
    theirs = processor(text="a<image>b", images=[picture.pixels], return_tensors="np")
    ours = [
        *tokenizer("a").input_ids,
        *family.expansion(picture),
        *tokenizer("b").input_ids,
    ]
    assert theirs["input_ids"][0].tolist() == ours
    inputs = family.process(picture)
    np.testing.assert_array_equal(theirs["pixel_values"][0], inputs["pixel_values"].numpy())
    assert (len(inputs["pixel_values"]) > 1) is splits
    assert ours.count(family.token_id) == family.num_features(inputs)


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_qwen_merges_two_by_two_patches_of_any_grid(tmp_path, kind):
    family = vision_family(save_qwen_vl(kind, tmp_path))
    picture = Image.of(np.zeros((28 * 3, 28 * 2, 3), np.uint8))
    inputs = family.process(picture)
    assert inputs["image_grid_thw"].tolist() == [[1, 6, 4]]
    assert family.expansion(picture) == [family.token_id] * 6


def test_an_image_is_processed_once(family, monkeypatch):
    calls = []
    process = family._process
    monkeypatch.setattr(family, "_process", lambda image: calls.append(image) or process(image))
    (picture,) = pictures(1, height=60)
    again = Image.of(picture.pixels.copy())
    first = family.process(picture)
    assert family.process(again) is first
    assert len(calls) == 1


@pytest.mark.parametrize("shape", [(3, 7, 3), (3, 3, 3), (1, 9, 3), (9, 1, 3)])
def test_the_last_axis_is_the_channels_whatever_the_height(family, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    large = pixels.repeat(16, axis=0).repeat(16, axis=1)
    small, enlarged = (family.process(Image.of(one))["pixel_values"] for one in (pixels, large))
    assert small.shape == enlarged.shape == (1, 3, SIDE, SIDE)
    means = pixels.reshape(-1, 3).mean(0)
    assert np.argsort(small.mean((0, 2, 3)).numpy()).tolist() == np.argsort(means).tolist()


def test_an_image_that_the_processor_refuses_is_told_with_its_shape(tmp_path):
    family = vision_family(save_qwen_vl("qwen2_vl", tmp_path))
    with pytest.raises(ConfigError, match=r"fails on an image of shape \(2, 600, 3\)"):
        family.process(Image.of(np.zeros((2, 600, 3), np.uint8)))


def test_copies_of_a_model_share_the_processed_images(family):
    assert copy.deepcopy({"trunk": family})["trunk"] is family


def test_a_processor_may_be_part_of_another_file(idefics3_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(idefics3_folder, folder)
    inner = json.loads((folder / "preprocessor_config.json").read_text())
    outer = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps({**outer, "image_processor": inner}))
    (folder / "preprocessor_config.json").unlink()
    settings = ImageSettings()
    assert list(vision_part(str(folder), "vllm", lora=None, images=settings)) == []
    (image,) = pictures(1)
    assert vision_family(folder).expansion(image) == vision_family(idefics3_folder).expansion(image)


@pytest.mark.parametrize(
    ("kind", "installed", "told"),
    [
        ("smolvlm", (), "needs torchvision and num2words; install it"),
        ("smolvlm", ("torchvision",), "needs num2words; install it"),
        ("qwen2_5_vl", (), "needs torchvision; install it"),
    ],
)
def test_what_vllm_imports_for_a_model_is_looked_for(tmp_path, monkeypatch, kind, installed, told):
    config = {"model_type": kind, "vision_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    monkeypatch.setattr(context, "find_spec", lambda name: name if name in installed else None)
    settings = ImageSettings()
    (mistake,) = vision_part(str(tmp_path), "vllm", lora=None, images=settings)
    assert told in mistake
    assert list(vision_part(str(tmp_path), "transformers", lora=None, images=settings)) == []


def test_the_oldest_processed_images_make_room(family, monkeypatch):
    monkeypatch.setattr("rllib_gigpo.models.vision.vision_family._CACHE_BYTES", 1)
    for picture in pictures(3):
        family.process(picture)
    assert list(family._processed) == [pictures(3)[-1].key]


def test_a_model_of_text_has_no_family(tmp_path):
    tokenizer = build_tokenizer(["go left"] * 20, 300)
    build_model(tokenizer, hidden_size=64, num_layers=1, num_heads=2).save_pretrained(tmp_path)
    assert not reads_images(tmp_path)
    assert vision_family(tmp_path) is None


def test_a_folder_without_a_processor_says_which_files_are_missing(idefics3_folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(idefics3_folder, copy)
    for name in ("preprocessor_config.json", "processor_config.json"):
        (copy / name).unlink()
    with pytest.raises(ConfigError, match=r"copy preprocessor_config\.json and processor_config"):
        vision_family(copy)
