"""Observations with images: boxes, dicts, lists, functions, templates, and wrong ones."""

import numpy as np
import pytest
from support.images.vision import pictures

from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image_marks import find_marks, without_marks
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.prompting.contents.image_reader import image_reader
from rllib_gigpo.prompting.contents.text_reader import text_reader

ONE, TWO = pictures(2)


def read(observation, observation_to_text=None, *, max_images=8):
    return image_reader(observation_to_text, ImageStore(), max_images=max_images)(observation)


def keys(text):
    return [key for key, _, _ in find_marks(text)]


def test_an_array_is_an_image():
    assert keys(read(ONE.pixels)) == [ONE.key]
    assert without_marks(read(ONE.pixels)) == ""


def test_text_stays_text():
    assert read("a room") == "a room"


def test_the_parts_of_a_dict_or_a_list_follow_each_other():
    text = read({"view": ONE.pixels, "text": "a room", "map": TWO.pixels})
    assert keys(text) == [ONE.key, TWO.key]
    assert without_marks(text) == "\na room\n"
    assert keys(read([TWO.pixels, "and", (ONE.pixels,)])) == [TWO.key, ONE.key]


def test_a_jinja_template_says_where_the_image_stands():
    template = "You see {{ view }} and {{ count }} coins."
    text = read({"view": ONE.pixels, "count": 3, "map": TWO.pixels}, template)
    assert keys(text) == [ONE.key]
    assert without_marks(text) == "You see  and 3 coins."


def test_a_function_returns_text_an_image_or_a_list_of_both():
    assert keys(read({"a": ONE.pixels, "b": 3}, lambda seen: seen["a"])) == [ONE.key]
    assert keys(read(3, lambda seen: ["now", TWO.pixels, f"turn {seen}"])) == [TWO.key]
    assert read(3, lambda seen: f"turn {seen}") == "turn 3"


def test_equal_images_have_equal_texts_and_so_equal_anchors():
    assert read(ONE.pixels.copy()) == read(ONE.pixels)
    assert read(ONE.pixels) != read(TWO.pixels)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), "with 4 channels"),
        (np.zeros((0, 4, 3), np.uint8), "of size zero"),
        (np.zeros((4, 4, 3), np.float32), "multiply by 255"),
        ({"view": ONE.pixels, "count": 3}, "neither text nor an image .* but int: 3"),
        (np.zeros(3), "neither text nor an image"),
    ],
)
def test_what_cannot_be_shown_is_told(observation, message):
    with pytest.raises(EnvContractError, match=message):
        read(observation)


@pytest.mark.parametrize(
    ("observation", "observation_to_text"),
    [
        (ONE.pixels, None),
        ({"view": ONE.pixels}, None),
        ({"view": ONE.pixels}, "Camera {{ view }}"),
        ({"view": ONE.pixels}, lambda seen: seen["view"]),
    ],
)
def test_for_a_model_of_text_an_image_is_an_error(observation, observation_to_text):
    with pytest.raises(EnvContractError, match="is an image, but the model reads text only: set"):
        text_reader(observation_to_text)(observation)


def test_more_images_than_the_limit_are_an_error_that_names_it():
    with pytest.raises(EnvContractError, match=r"has 2 images, but a prompt may show 1: raise llm"):
        read([ONE.pixels, TWO.pixels], max_images=1)
