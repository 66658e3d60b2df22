"""The images of token rows: each distinct one once, in the rows that show it."""

import numpy as np
from support.images.vision import pictures

from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.media.row_images import RowImages

ONE, TWO, THREE = pictures(3)


def rows():
    """Four rows: one image, none, two, and the first one again."""
    return RowImages.of(
        [
            [PlacedImage(ONE, 2, 3)],
            [],
            [PlacedImage(TWO, 0, 2), PlacedImage(ONE, 4, 3)],
            [PlacedImage(ONE, 2, 3)],
        ]
    )


def test_equal_images_are_there_once():
    assert rows().images == (ONE, TWO)
    assert rows().image_ids.tolist() == [0, 1, 0, 0]
    assert rows().row_counts.tolist() == [1, 0, 2, 1]


def test_rows_without_images_have_none():
    assert RowImages.of([[], []]) is None
    assert RowImages.of([]) is None


def test_a_selection_keeps_only_the_images_that_it_shows():
    chosen = rows().select(np.array([3, 1]))
    assert chosen.images == (ONE,)
    assert chosen.row_counts.tolist() == [1, 0]
    assert chosen.starts.tolist() == [2]
    both = rows().select(np.array([2, 0]))
    assert [both.images[i] for i in both.image_ids] == [TWO, ONE, ONE]
    assert both.starts.tolist() == [0, 4, 2]


def test_an_empty_selection_shows_nothing():
    none = rows().select(np.zeros(0, dtype=np.int64))
    assert none.images == ()
    assert len(none.image_ids) == 0


def test_tokens_of_images_are_equal_only_in_the_same_image_and_place():
    tokens = np.full(5, 7)
    places = [[PlacedImage(ONE, 1, 3)], [PlacedImage(TWO, 1, 3)], [PlacedImage(ONE, 1, 3)]]
    coded = RowImages.of(places).coded(np.tile(tokens, 3), np.array([0, 5, 10, 15]))
    first, second, third = coded.reshape(3, 5)
    assert (first == third).all()
    assert first[0] == second[0] == 7
    assert not set(first[1:4]) & set(second[1:4])
    assert len(set(first[1:4])) == 3
