"""Hidden states of text and images: the same as transformers', each image encoded once."""

import numpy as np
import pytest
import torch
from support.images.vision import pictures, prompt_of, save_qwen_vl

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.media.image import Image, PlacedImage
from rllib_gigpo.media.row_images import RowImages
from rllib_gigpo.models.causal_lm import load_causal_lm, trunk_of
from rllib_gigpo.models.layouts.layout_choice import make_layout
from rllib_gigpo.models.layouts.prefix_sharing import examine_sharing
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.model_probe import probe
from rllib_gigpo.models.trunk import Trunk
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.tower import tower_of
from rllib_gigpo.models.vision.trunk_choice import trunk_maker

ONE, TWO = pictures(2)
TEXT = [20, 21, 22]
ANSWER = [30, 31, 32, 33]


def rows_of(prompts, answers=None):
    answers = answers or [ANSWER] * len(prompts)
    number = sum(map(len, answers))
    return TokenRows.from_rows(
        [ids for ids, _ in prompts],
        answers,
        rollout_logp=[np.zeros(len(answer)) for answer in answers],
        advantages=np.zeros(number),
        minibatch_ids=np.zeros(len(prompts), dtype=int),
        num_minibatches=1,
        images=RowImages.of([images for _, images in prompts]),
    )


def log_probs(adapter, rows, layout=None):
    """Return the log-probs of all answers' tokens, (S,)."""
    layout = layout or PaddedRows(LayoutCosts(), max_tokens=10_000)
    result = torch.zeros(len(rows.rollout_logp))
    for micro_batch in layout.micro_batches(rows, np.arange(rows.num_rows)):
        logp, _, _ = adapter(micro_batch, chunk_tokens=64)
        result[micro_batch.token_indices] = logp
    return result


def reference(adapter, family, prompt, answer=ANSWER):
    """Return the log-probs of transformers' own forward pass over one row."""
    ids, images = prompt
    inputs = family.joined([family.process(place.image) for place in images])
    names = {name: part for name, part in inputs.items() if name != "pixel_attention_mask"}
    if "pixel_attention_mask" in inputs:
        names = {"pixel_values": inputs["pixel_values"][None]}
    else:
        kinds = torch.zeros(1, len(ids) + len(answer), dtype=torch.int)
        for place in images:
            kinds[0, place.start : place.stop] = 1
        names["mm_token_type_ids"] = kinds
    logits = adapter.model(input_ids=torch.tensor([[*ids, *answer]]), **names).logits[0]
    return logits[len(ids) - 1 : -1].log_softmax(-1)[range(len(answer)), answer]


def prompts_of(family):
    return [
        prompt_of(family, parts)
        for parts in (
            [TEXT, ONE, TEXT],
            [TEXT, TWO, TEXT],
            [TEXT, ONE, [25], TWO, TEXT],
            [TEXT, ONE, TEXT],
            [ONE, TEXT, TEXT, TEXT],
        )
    ]


def test_log_probs_are_those_of_transformers_for_each_row(adapter, family):
    prompts = prompts_of(family)
    found = log_probs(adapter, rows_of(prompts)).unflatten(0, (len(prompts), -1))
    for row, prompt in zip(found, prompts, strict=True):
        torch.testing.assert_close(row, reference(adapter, family, prompt), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_so_are_those_of_qwen_with_positions_in_time_and_space(tmp_path, kind):
    folder = save_qwen_vl(kind, tmp_path)
    adapter, family = (
        ModelAdapter(load_causal_lm(folder), trunk_maker(folder)),
        vision_family(folder),
    )
    probe(adapter)
    wide = pictures(1, height=28, width=84)[0]
    prompts = [
        prompt_of(family, [TEXT, wide, TEXT]),
        prompt_of(family, [TEXT, ONE, TEXT, wide, TEXT]),
    ]
    found = log_probs(adapter, rows_of(prompts)).unflatten(0, (len(prompts), -1))
    for row, prompt in zip(found, prompts, strict=True):
        torch.testing.assert_close(row, reference(adapter, family, prompt), rtol=0, atol=1e-5)


def test_the_same_text_under_another_image_differs(adapter, family):
    ids, (place,) = prompt_of(family, [TEXT, ONE, TEXT])
    other = (PlacedImage(TWO, place.start, place.length),)
    one, two = log_probs(adapter, rows_of([(ids, (place,)), (ids, other)])).unflatten(0, (2, -1))
    assert (one - two).abs().max() > 1e-3


def test_trees_give_the_log_probs_of_separate_rows(adapter, family):
    rows = rows_of(prompts_of(family) * 3, [ANSWER, [40, 41], ANSWER[:1]] * 5)
    trees = make_layout(adapter, True, max_tokens=10_000, device=torch.device("cpu"))
    torch.testing.assert_close(
        log_probs(adapter, rows, trees), log_probs(adapter, rows), rtol=0, atol=1e-5
    )
    computed = sum(one.num_tokens for one in trees.micro_batches(rows, np.arange(rows.num_rows)))
    assert computed < len(rows.token_ids) / 2


def test_trees_are_not_used_where_positions_have_three_parts(tmp_path):
    folder = save_qwen_vl("qwen2_5_vl", tmp_path)
    adapter = ModelAdapter(load_causal_lm(folder), trunk_maker(folder))
    sharing = examine_sharing(adapter)
    assert sharing.max_depth == 0
    assert "its positions have three parts" in sharing.reason
    with pytest.raises(ConfigError, match="cannot share prefixes exactly: its positions"):
        make_layout(adapter, True, max_tokens=100, device=torch.device("cpu"))


def test_an_image_that_many_rows_show_is_encoded_once(adapter, family, monkeypatch):
    encoded = []
    features = family.__class__.features
    monkeypatch.setattr(
        family.__class__,
        "features",
        lambda self, trunk, inputs: (
            encoded.append(len(inputs["pixel_values"])) or features(self, trunk, inputs)
        ),
    )
    log_probs(adapter, rows_of(prompts_of(family)))
    assert sum(encoded) == 2


def test_gradients_with_merged_images_are_those_of_separate_ones(adapter, family):
    adapter.double()
    prompts = prompts_of(family)

    def gradients(chosen, weights):
        adapter.zero_grad()
        by_row = log_probs(adapter, rows_of(chosen)).unflatten(0, (len(chosen), -1)).sum(-1)
        (by_row.double() * torch.tensor(weights)).sum().backward()
        return {name: one.grad.clone() for name, one in adapter.named_parameters()}

    merged = gradients(prompts, [1.0, 2.0, 3.0, 4.0, 5.0])
    alone = [gradients([prompt], [weight]) for weight, prompt in enumerate(prompts, start=1)]
    for name, total in merged.items():
        summed = sum(part[name] for part in alone)
        torch.testing.assert_close(total, summed, rtol=1e-9, atol=1e-9, msg=name)


def test_every_weight_gets_a_gradient_even_without_an_image(adapter, family):
    log_probs(adapter, rows_of([(TEXT, ())])).sum().backward()
    assert all(one.grad is not None for one in adapter.parameters())
    tower = tower_of(trunk_of(adapter.model))
    assert all((one.grad == 0).all() for part in tower.values() for one in part.parameters())


def test_a_sampled_image_token_is_a_token(adapter, family):
    prompt = prompt_of(family, [TEXT, ONE, TEXT])
    rows = rows_of([prompt], [[30, family.token_id, 31]])
    found = log_probs(adapter, rows)
    assert found.isfinite().all()
    assert len(found) == 3


def test_a_frozen_tower_gets_no_gradient_and_the_rest_does(adapter, family):
    for part in tower_of(trunk_of(adapter.model)).values():
        part.requires_grad_(False)
    log_probs(adapter, rows_of([prompt_of(family, [TEXT, ONE, TEXT])])).sum().backward()
    for name, one in adapter.named_parameters():
        is_tower = ".vision_model." in name or ".connector." in name
        assert (one.grad is None) == is_tower, name


def test_a_model_of_text_gets_the_plain_trunk(tmp_path):
    from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

    tokenizer = build_tokenizer(["go left"] * 20, 300)
    build_model(tokenizer, hidden_size=64, num_layers=1, num_heads=2).save_pretrained(tmp_path)
    assert trunk_maker(tmp_path) is Trunk


def test_the_probe_accepts_it(adapter):
    probe(adapter)
    assert not adapter.has_own_head


def test_a_picture_of_one_colour_is_seen(adapter, family):
    black, grey = (Image.of(np.full((48, 48, 3), value, np.uint8)) for value in (0, 127))
    one, two = (
        log_probs(adapter, rows_of([prompt_of(family, [TEXT, picture, TEXT])]))
        for picture in (black, grey)
    )
    assert (one - two).abs().max() > 1e-4
