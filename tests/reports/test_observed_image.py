"""Pictures among observations become PNG files."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from rllib_gigpo.reports.observed_image import observed_image


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1, 3)])
def test_a_picture_is_the_same_after_decoding(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    file = io.BytesIO(base64.b64decode(observed_image(pixels)))
    decoded = np.asarray(Image.open(file))
    assert np.array_equal(decoded.reshape(shape), pixels)


def test_a_picture_in_a_dict_is_found():
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert observed_image({"text": "a room", "view": {"picture": pixels}}) == observed_image(pixels)


@pytest.mark.parametrize(
    "observation",
    ["a room", 3, None, {}, np.zeros(4, np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), "u1")],
    ids=str,
)
def test_what_is_not_a_picture_shows_none(observation):
    assert observed_image(observation) is None
