"""Checks on weights, their checksum, and their chunks in shared memory."""

from pathlib import Path

import pytest
import torch

from rllib_gigpo.errors import EngineError
from rllib_gigpo.weights.checksum import checked, weights_checksum, with_tied_head
from rllib_gigpo.weights.chunks import SharedChunk, chunked, read_shared_chunk

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SHAPES = {EMBEDDING: (4, 2), "norm.weight": (2,)}


def tensors():
    return [(EMBEDDING, torch.arange(8.0).view(4, 2)), ("norm.weight", torch.ones(2))]


def test_a_complete_set_passes_in_its_order():
    assert [name for name, _ in checked(tensors(), SHAPES, tied_head=None)] == list(SHAPES)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (tensors()[:1], r"lacks 1 of 2 tensors \(\['norm.weight'\]"),
        ([*tensors(), ("bias", torch.ones(2))], "'bias', which the engine's model does not have"),
        ([*tensors(), tensors()[1]], "'norm.weight' twice"),
        ([("norm.weight", torch.ones(3))], r"shape \(3,\), but the engine's model has \(2,\)"),
        ([*tensors(), (HEAD, torch.ones(4, 2))], "'lm_head.weight', which"),
    ],
)
def test_an_update_that_does_not_fit_says_where(stream, message):
    with pytest.raises(EngineError, match=message):
        list(checked(stream, SHAPES, tied_head=None))


def test_a_tied_head_may_be_sent_or_not():
    with_head = [*tensors(), (HEAD, torch.ones(4, 2))]
    assert len(list(checked(with_head, SHAPES, tied_head=HEAD))) == 3
    assert len(list(checked(tensors(), SHAPES | {HEAD: (4, 2)}, tied_head=HEAD))) == 2


def test_nothing_is_missing_from_a_model_whose_tensors_are_not_known():
    assert len(list(checked(tensors()[:1], {}, tied_head=None))) == 1


def test_the_embedding_is_sent_again_as_the_head_of_a_tied_model():
    sent = list(with_tied_head(tensors(), head=HEAD, embedding=EMBEDDING))
    assert [name for name, _ in sent] == [*SHAPES, HEAD]
    assert sent[-1][1] is sent[0][1]


@pytest.mark.parametrize("head_first", [True, False])
def test_a_head_in_the_stream_is_left_alone(head_first):
    head = (HEAD, torch.ones(4, 2))
    stream = [head, *tensors()] if head_first else [*tensors(), head]
    assert list(with_tied_head(stream, head=HEAD, embedding=EMBEDDING)) == stream


def test_the_checksum_does_not_depend_on_the_order():
    assert weights_checksum(tensors()) == weights_checksum(reversed(tensors()))


def test_the_checksum_of_a_tied_model_ignores_the_head():
    with_head = [*tensors(), (HEAD, torch.ones(4, 2))]
    assert weights_checksum(with_head, tied_head=HEAD) == weights_checksum(tensors())
    assert weights_checksum(with_head) != weights_checksum(tensors())


def test_the_checksum_sees_the_last_bit_of_one_number():
    changed = tensors()
    changed[1] = ("norm.weight", torch.nextafter(torch.ones(2), torch.tensor([2.0, 1.0])))
    assert weights_checksum(changed) != weights_checksum(tensors())


def test_the_checksum_sees_swapped_names_types_and_a_missing_tensor_of_zeros():
    a, b = torch.ones(2), torch.zeros(2)
    assert weights_checksum([("a", a), ("b", b)]) != weights_checksum([("a", b), ("b", a)])
    assert weights_checksum([("b", b)]) != weights_checksum([("b", b.bfloat16())])
    assert weights_checksum([("b", b)]) != weights_checksum([])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_tensors_of_every_size_of_element_have_a_checksum(dtype):
    tensor = torch.arange(6).to(dtype)
    assert weights_checksum([("a", tensor)]) == weights_checksum([("a", tensor.clone())])


def test_chunks_hold_at_most_the_size_asked_for_and_lose_nothing():
    stream = [(str(i), torch.zeros(size)) for i, size in enumerate([10, 10, 10, 100, 1])]
    chunks = list(chunked(stream, max_bytes=80))
    assert [[name for name, _ in chunk] for chunk in chunks] == [["0", "1"], ["2"], ["3"], ["4"]]


def test_a_chunk_comes_out_of_shared_memory_as_it_went_in():
    chunk = [
        ("a", torch.randn(3, 5)),
        ("b", torch.randn(7).bfloat16()),
        ("c", torch.randn(4, 4).t()),
        ("d", torch.tensor(2.5)),
    ]
    with SharedChunk(chunk) as shared:
        received = read_shared_chunk(shared.description, torch.device("cpu"))
        assert Path(shared.description["path"]).exists()
    assert not Path(shared.description["path"]).exists()
    for (name, sent), (received_name, tensor) in zip(chunk, received, strict=True):
        assert received_name == name
        assert tensor.dtype == sent.dtype
        assert torch.equal(tensor, sent)


def test_the_description_of_a_shared_chunk_holds_plain_values():
    with SharedChunk([("a", torch.ones(2, 3))]) as shared:
        [layout] = shared.description["layout"]
    assert layout == ["a", "float32", [2, 3], 0]
