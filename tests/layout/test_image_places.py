"""Images in micro-batches: rows with other images never share a prefix that shows them."""

import numpy as np
from support.images.vision import pictures

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.layout.shares import split_rows
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.media.row_images import RowImages

ONE, TWO = pictures(2)
IMAGE_TOKEN = 99
PROMPT = [1, 2, IMAGE_TOKEN, IMAGE_TOKEN, IMAGE_TOKEN, 3]
ALL = np.arange(3)
TREES = PrefixTrees(LayoutCosts(), TreeLimits(), max_tokens=10_000)


def rows(images):
    """Rows with equal tokens, each of which shows one image."""
    number = len(images)
    return TokenRows.from_rows(
        [PROMPT] * number,
        [[5, 6]] * number,
        rollout_logp=[np.zeros(2)] * number,
        advantages=np.zeros(2 * number),
        minibatch_ids=np.zeros(number, dtype=int),
        num_minibatches=1,
        group_ids=np.zeros(number, dtype=int),
        images=RowImages.of([[PlacedImage(image, 2, 3)] for image in images]),
    )


def test_equal_rows_of_one_image_are_one_branch():
    (micro_batch,) = TREES.micro_batches(rows([ONE, ONE, ONE]), ALL)
    assert micro_batch.num_tokens == len(PROMPT) + 1
    assert micro_batch.images.images == (ONE,)
    assert micro_batch.images.positions.tolist() == [2, 3, 4]


def test_rows_of_different_images_share_only_what_comes_before_them():
    (micro_batch,) = TREES.micro_batches(rows([ONE, TWO, ONE]), ALL)
    assert micro_batch.num_tokens == 2 + 2 * 5
    assert set(micro_batch.images.images) == {ONE, TWO}
    flat = micro_batch.input_ids.flatten()
    assert (flat[micro_batch.images.positions] == IMAGE_TOKEN).all()
    assert len(micro_batch.images.image_ids) == 2


def test_padded_rows_name_every_place():
    (micro_batch,) = PaddedRows(LayoutCosts(), max_tokens=10_000).micro_batches(
        rows([ONE, TWO, ONE]), ALL
    )
    images = micro_batch.images
    assert [images.images[i] for i in images.image_ids] == [ONE, TWO, ONE]
    assert images.positions.tolist() == [2, 3, 4, 10, 11, 12, 18, 19, 20]


def test_rows_of_text_have_no_images():
    text = TokenRows.from_rows(
        [PROMPT] * 3,
        [[5, 6]] * 3,
        rollout_logp=[np.zeros(2)] * 3,
        advantages=np.zeros(6),
        minibatch_ids=np.zeros(3, dtype=int),
        num_minibatches=1,
    )
    assert text.images is None
    assert text.identities() is text.token_ids
    for layout in (TREES, PaddedRows(LayoutCosts(), max_tokens=10_000)):
        assert all(one.images is None for one in layout.micro_batches(text, ALL))


def test_a_share_carries_only_its_own_images():
    shares = split_rows(rows([ONE, TWO, ONE]), 2)
    assert sum(len(share.images.images) for share in shares) == 2
    assert sum(share.num_rows for share in shares) == 3


def test_the_places_move_with_their_micro_batch():
    (micro_batch,) = TREES.micro_batches(rows([ONE]), ALL[:1])
    moved = micro_batch.to("meta")
    assert moved.images.positions.is_meta
    assert moved.images.images == (ONE,)
