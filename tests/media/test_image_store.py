"""The images of an EnvRunner: equal ones once, kept as long as they are needed."""

import gc
import pickle

import numpy as np
import pytest

from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image_marks import find_marks, without_marks
from rllib_gigpo.media.image_store import ImageStore


def pixels(value=0):
    return np.full((4, 6, 3), value, np.uint8)


def image_of(store, mark):
    ((key, _, _),) = find_marks(mark)
    return store.get(key)


def test_equal_pixels_are_one_object():
    store = ImageStore()
    one, other = (image_of(store, store.mark(pixels(1))) for _ in range(2))
    assert one is other
    assert image_of(store, store.mark(pixels(2))) is not one


def test_observations_get_the_kept_pixels_and_keep_everything_else():
    store = ImageStore()
    known = store.kept(pixels(1))
    kept = store.kept({"view": pixels(1), "text": "a room", "more": [pixels(1), 3]})
    assert kept["view"] is known
    assert kept["more"][0] is known
    assert (kept["text"], kept["more"][1]) == ("a room", 3)
    assert store.kept("a room") == "a room"


def test_a_kept_array_is_known_without_another_hash(monkeypatch):
    store = ImageStore()
    kept = store.kept(pixels(1))
    monkeypatch.setattr("rllib_gigpo.media.image.blake2b", None)
    store.mark(kept)
    with pytest.raises(TypeError):
        store.mark(pixels(1))


def test_an_array_that_was_drawn_into_again_is_another_image():
    store = ImageStore()
    screen = pixels(1)
    before = store.mark(screen)
    screen[:] = 2
    assert store.mark(screen) != before


def test_an_image_stays_until_the_next_pass_or_as_long_as_it_is_held():
    store = ImageStore()
    held, dropped = store.mark(pixels(1)), store.mark(pixels(2))
    image = image_of(store, held)
    store.start_pass()
    gc.collect()
    assert image_of(store, held) is image
    assert image_of(store, dropped) is None


def test_a_text_that_only_looks_like_a_mark_is_no_image():
    assert ImageStore().get("0" * 32) is None


def test_a_wrong_image_in_a_dict_is_an_error():
    with pytest.raises(EnvContractError, match="with 2 channels"):
        ImageStore().kept({"view": np.zeros((4, 6, 2), np.uint8)})


def test_a_checkpoint_holds_no_images():
    store = ImageStore()
    store.mark(pixels())
    assert len(pickle.loads(pickle.dumps(store))) == 0


def test_marks_are_found_in_any_case_and_removed():
    mark = ImageStore().mark(pixels())
    text = f"before {mark.upper().replace('IMAGE', 'image')} after"
    assert len(find_marks(text)) == 1
    assert without_marks(text) == "before  after"
