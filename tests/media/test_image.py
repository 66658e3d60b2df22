"""Images: what counts as one, equal ones, and copies."""

import pickle

import numpy as np
import pytest

from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image import Image, looks_like_image


def pixels(value=0, shape=(4, 6, 3)):
    return np.full(shape, value, np.uint8)


def test_equal_pixels_make_equal_images_and_others_do_not():
    assert Image.of(pixels(1)) == Image.of(pixels(1))
    assert hash(Image.of(pixels(1))) == hash(Image.of(pixels(1)))
    assert Image.of(pixels(1)) != Image.of(pixels(2))


def test_the_shape_is_part_of_the_identity():
    assert Image.of(pixels(shape=(4, 6, 3))).key != Image.of(pixels(shape=(6, 4, 3))).key


def test_the_order_of_the_bytes_in_memory_is_not():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert Image.of(np.asfortranarray(picture)) == Image.of(picture)
    assert Image.of(picture[::-1]) == Image.of(picture[::-1].copy())


def test_an_environment_may_draw_into_its_array_again():
    screen = pixels(1)
    image = Image.of(screen)
    screen[:] = 9
    assert (image.pixels == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[:] = 9


def test_an_image_travels():
    image = Image.of(pixels(3))
    again = pickle.loads(pickle.dumps(image))
    assert again == image
    assert (again.pixels == image.pixels).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (pixels(shape=(4, 6, 4)), r"with 4 channels, shape \(4, 6, 4\), not 3 \(RGB\)"),
        (pixels(shape=(4, 6, 1)), "with 1 channels"),
        (pixels(shape=(0, 6, 3)), r"of size zero, shape \(0, 6, 3\)"),
        (pixels(shape=(4, 0, 3)), "of size zero"),
        (pixels(shape=(4, 6)), "without the axis of the channels"),
        (np.zeros((4, 6, 3), np.float32), "of type float32, not uint8: multiply by 255"),
        (np.zeros((4, 6, 3), np.int64), "of type int64, not uint8"),
    ],
)
def test_what_is_not_an_image_is_told_in_one_sentence(wrong, message):
    with pytest.raises(EnvContractError, match=message) as error:
        Image.of(wrong)
    assert str(error.value).endswith("An image is a uint8 array of shape (height, width, 3).")


def test_an_array_with_three_axes_is_meant_as_an_image():
    assert looks_like_image(pixels())
    assert looks_like_image(np.zeros((4, 6, 5)))
    assert not looks_like_image(np.zeros(3))
    assert not looks_like_image("a room")
