"""Real vLLM on the CPU with images, against the Learner's log-probs."""

import copy
import importlib.util

import numpy as np
import pytest
import torch
from support.images.vision import pictures, prompt_of, save_idefics3, save_qwen_vl, save_smolvlm

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.errors import EngineError
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.media.row_images import RowImages
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.layouts.layout_choice import make_layout
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.trunk_choice import trunk_maker

pytest.importorskip("rllib_gigpo.engines.vllm.vllm_engine")

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="vLLM's code for this model needs torchvision: make vlm",
)
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the engine in this process")

TOLERANCE = 1e-5
ONE, TWO, THREE = pictures(3)
SAVED = {
    "idefics3": save_idefics3,
    "smolvlm": save_smolvlm,
    **{
        kind: lambda folder, kind=kind: save_qwen_vl(kind, folder)
        for kind in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
    },
}


@pytest.fixture(
    scope="module",
    params=[
        "idefics3",
        *(pytest.param(kind, marks=needs_torchvision) for kind in SAVED if kind != "idefics3"),
    ],
)
def folder(request, tmp_path_factory):
    return SAVED[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def engine(folder):
    settings = EngineSettings(model_path=folder, max_model_len=256, max_prompt_images=3)
    engine = make_engine("vllm", settings)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def adapter(folder):
    return ModelAdapter(load_causal_lm(folder), trunk_maker(folder))


def prompts_of(folder):
    """Return prompts with one, two and no images; two have the same text under other images."""
    family = vision_family(folder)
    prompts = [
        prompt_of(family, [[20, 21], ONE, [22, 23]]),
        prompt_of(family, [[20, 21], TWO, [24]]),
        prompt_of(family, [ONE, [25], THREE, [26, 27, 28]]),
        ([20, 21, 22], ()),
    ]
    ids, (place,) = prompts[0]
    return [*prompts, (ids, (PlacedImage(THREE, place.start, place.length),))]


def answers_of(engine, prompts, prefix):
    sampling = SamplingSettings(max_tokens=10)
    return engine.generate(
        [
            GenerationRequest(f"{prefix}{i}", ids, sampling, seed=3, images=images)
            for i, (ids, images) in enumerate(prompts)
        ]
    )


@torch.no_grad()
def learner_log_probs(adapter, prompts, answers):
    rows = TokenRows.from_rows(
        [ids for ids, _ in prompts],
        [answer.token_ids for answer in answers],
        rollout_logp=[answer.logp for answer in answers],
        advantages=np.zeros(sum(len(answer.token_ids) for answer in answers)),
        minibatch_ids=np.zeros(len(prompts), dtype=int),
        num_minibatches=1,
        images=RowImages.of([images for _, images in prompts]),
    )
    layout = make_layout(adapter, "auto", max_tokens=10_000, device=torch.device("cpu"))
    found = np.zeros_like(rows.rollout_logp)
    for micro_batch in layout.micro_batches(rows, np.arange(rows.num_rows)):
        logp, _, _ = adapter(micro_batch, chunk_tokens=64)
        found[micro_batch.token_indices.numpy()] = logp.numpy()
    return found, rows.rollout_logp


def change_weights(adapter, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in adapter.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)


def test_log_probs_are_the_learners_before_and_after_two_updates(engine, adapter, folder):
    prompts = prompts_of(folder)
    engine.load_weights(adapter.weights(), engine.weight_version + 1)
    for seed in (None, 1, 2):
        if seed is not None:
            change_weights(adapter, seed)
            engine.load_weights(adapter.weights(), engine.weight_version + 1)
        answers = answers_of(engine, prompts, f"{seed}-")
        learner, rollout = learner_log_probs(adapter, prompts, answers)
        np.testing.assert_allclose(learner, rollout, rtol=0, atol=TOLERANCE)


def test_the_same_text_under_another_image_gets_other_log_probs(engine, adapter, folder):
    prompts = prompts_of(folder)
    answers = answers_of(engine, prompts, "other-")
    swapped = [prompts[-1], *prompts[1:-1], prompts[0]]
    learner, rollout = learner_log_probs(adapter, swapped, answers)
    wrong = np.abs(learner - rollout)
    assert wrong[: len(answers[0].token_ids)].max() > 1e-3
    assert wrong[-len(answers[-1].token_ids) :].max() > 1e-3


def test_equal_seeds_give_equal_tokens(engine, folder):
    prompts = prompts_of(folder)
    first, again = (answers_of(engine, prompts, prefix) for prefix in ("one-", "two-"))
    assert [one.token_ids for one in first] == [one.token_ids for one in again]


def test_more_images_than_the_engine_was_told_are_an_error_and_not_a_hang(engine, folder):
    family = vision_family(folder)
    ids, images = prompt_of(family, [ONE, [20], TWO, [20], THREE, [20], ONE, [21]])
    request = GenerationRequest("many", ids, SamplingSettings(max_tokens=2), images=images)
    with pytest.raises(EngineError, match="4 images, but the engine was started for 3"):
        engine.submit([request])
    assert engine.num_unfinished == 0


def test_the_transformers_engine_answers_alike(engine, adapter, folder):
    engine.load_weights(adapter.weights(), engine.weight_version + 1)
    slow = make_engine("transformers", EngineSettings(model_path=folder, max_model_len=256))
    slow.start()
    prompts = prompts_of(folder)
    answers = answers_of(slow, prompts, "slow-")
    learner, rollout = learner_log_probs(adapter, prompts, answers)
    np.testing.assert_allclose(learner, rollout, rtol=0, atol=TOLERANCE)
    slow.stop()


def test_weights_may_change_while_requests_with_images_run(engine, adapter, folder):
    prompts = prompts_of(folder)
    engine.load_weights(adapter.weights(), engine.weight_version + 1)
    first = engine.weight_version
    sampling = SamplingSettings(max_tokens=12)
    requests = [
        GenerationRequest(f"flight{i}", ids, sampling, seed=i, images=images)
        for i, (ids, images) in enumerate(prompts)
    ]
    engine.submit(requests)
    done = [answer for _ in range(5) for answer in engine.poll()]
    old = ModelAdapter(copy.deepcopy(adapter.model), trunk_maker(folder))
    change_weights(adapter, seed=7)
    engine.load_weights(adapter.weights(), first + 1)
    while engine.num_unfinished:
        done += engine.poll()
    by_id = {answer.request_id: answer for answer in done}
    answers = [by_id[request.request_id] for request in requests]
    versions = np.concatenate([answer.token_versions for answer in answers])
    assert set(versions) == {first, first + 1}
    for version, weights in ((first, old), (first + 1, adapter)):
        learner, rollout = learner_log_probs(weights, prompts, answers)
        sampled = versions == version
        np.testing.assert_allclose(learner[sampled], rollout[sampled], rtol=0, atol=TOLERANCE)
