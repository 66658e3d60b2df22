"""Fitting: batches hold every row once, and the loss is that of the response tokens alone."""

import math

import numpy as np
import pytest
import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.warm_start import FitSettings
from rllib_gigpo.warm_start.batch_gradient import batch_loss, make_batch
from rllib_gigpo.warm_start.demonstrations import DemonstrationRow
from rllib_gigpo.warm_start.fit import fit, lr_factor, plan_batches


def make_rows(num_rows, seed=0):
    rng = np.random.default_rng(seed)
    return [
        DemonstrationRow(
            prompt_ids=rng.integers(5, 250, size=rng.integers(3, 40)).tolist(),
            response_ids=rng.integers(5, 250, size=rng.integers(1, 4)).tolist(),
        )
        for _ in range(num_rows)
    ]


def length(row):
    return len(row.prompt_ids) + len(row.response_ids)


@pytest.fixture
def model():
    tokenizer = build_tokenizer(["go east"], vocab_size=300)
    return build_model(tokenizer, hidden_size=32, num_layers=2, num_heads=2).train()


def test_every_row_is_in_one_batch_within_the_budget_and_almost_without_padding():
    rows = make_rows(500)
    batches = plan_batches(rows, 400, rng=np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    padded = [len(batch) * max(length(rows[index]) for index in batch) for batch in batches]
    assert max(padded) <= 400
    assert sum(padded) < 1.05 * sum(length(row) for row in rows)


def test_the_rows_of_a_conversation_stay_together_and_count_as_the_longest():
    rows = [
        DemonstrationRow([9] * 10 * turn, [7, 8], chat=chat)
        for turn in range(1, 6)
        for chat in range(12)
    ]
    batches = plan_batches(rows, 160, rng=np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(60))
    chats = [{rows[index].chat for index in batch} for batch in batches]
    assert [len(one) for one in chats] == [3, 3, 3, 3]  # the longest row of each has 52 tokens
    assert set.union(*chats) == set(range(12))


def test_a_row_longer_than_the_budget_stands_alone():
    rows = make_rows(20)
    batches = plan_batches(rows, 1, rng=np.random.default_rng(1))
    assert [len(batch) for batch in batches] == [1] * 20


def test_the_order_of_batches_follows_the_generator():
    rows = make_rows(200)

    def order(seed):
        batches = plan_batches(rows, 400, rng=np.random.default_rng(seed))
        return [batch.tolist() for batch in batches]

    assert order(1) == order(1) != order(2)


def test_labels_stand_one_position_before_the_response_tokens():
    rows = [DemonstrationRow([11, 12, 13], [21, 22]), DemonstrationRow([14], [23])]
    batch = make_batch(rows)
    assert batch.input_ids.tolist() == [[11, 12, 13, 21, 22], [14, 23, 0, 0, 0]]
    assert batch.labels.tolist() == [[-100, -100, 21, 22, -100], [23, -100, -100, -100, -100]]
    assert batch.prompt_labels.tolist() == [[12, 13, -100, -100, -100], [-100] * 5]


@pytest.mark.parametrize("with_prompts", [False, True])
def test_a_batch_s_loss_is_that_of_its_rows_one_by_one(model, with_prompts):
    rows = make_rows(12)
    loss = batch_loss(model, make_batch(rows), with_prompts=with_prompts)
    expected_loss, expected_correct, prompt_losses = 0.0, 0, []
    for row in rows:
        ids = torch.tensor([row.prompt_ids + row.response_ids])
        logp = model(input_ids=ids).logits[0].detach().log_softmax(dim=-1)
        for position, token in enumerate(row.response_ids, start=len(row.prompt_ids) - 1):
            expected_loss -= float(logp[position, token])
            expected_correct += int(logp[position].argmax()) == token
        prompt_losses += [-float(logp[at, token]) for at, token in enumerate(row.prompt_ids[1:])]
    assert float(loss.responses.detach()) == pytest.approx(expected_loss, rel=1e-5)
    assert loss.num_correct == expected_correct
    assert loss.num_tokens == sum(len(row.response_ids) for row in rows)
    if with_prompts:
        assert float(loss.prompts.detach()) == pytest.approx(np.mean(prompt_losses), rel=1e-5)
    else:
        assert loss.prompts is None


def test_a_batch_of_prompts_of_one_token_has_no_loss_of_prompts(model):
    rows = [DemonstrationRow([11], [21]), DemonstrationRow([12], [22])]
    assert batch_loss(model, make_batch(rows), with_prompts=True).prompts is None


@pytest.mark.parametrize(("weight", "learns_prompts"), [(0.0, False), (1.0, True)])
def test_the_weight_of_the_prompts_decides_whether_they_are_learnt(model, weight, learns_prompts):
    rows = make_rows(8)
    settings = FitSettings(prompt_loss_weight=weight)
    states = fit(model, [rows] * 30, settings, lr=1e-2, batch_tokens=200, seed=0)
    prompts = batch_loss(model, make_batch(rows), with_prompts=True).prompts
    assert (float(prompts.detach()) < 3.0) == learns_prompts  # at random: log(300) = 5.7
    assert states[-1].loss < 0.2  # a state reports the loss of the responses only


def test_rows_are_learnt_by_heart(model):
    epochs = [make_rows(8)] * 30
    states = fit(model, epochs, FitSettings(), lr=1e-2, batch_tokens=200, seed=0)
    assert len(states) == 30
    assert states[-1].loss < 0.05
    assert states[-1].token_accuracy == 1.0


def test_the_seed_decides_the_result_and_progress_is_told_after_each_epoch(model):
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def losses(seed):
        model.load_state_dict(start)
        told = []
        states = fit(
            model,
            [make_rows(30)] * 2,
            FitSettings(),
            lr=1e-3,
            batch_tokens=200,
            seed=seed,
            progress=told.append,
        )
        assert told == states
        assert [state.epoch for state in states] == [1, 2]
        return [state.loss for state in states]

    assert losses(1) == losses(1) != losses(2)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 0, 1 / 2),
        ("cosine", 1, 1.0),
        ("cosine", 2, 1.0),
        ("cosine", 11, 0.5),
        ("cosine", 20, 0.0),
        ("cosine", 25, 0.0),
        ("linear", 11, 0.5),
        ("linear", 17, 1 / 6),
        ("constant", 19, 1.0),
    ],
)
def test_the_learning_rate_rises_then_decays(schedule, step, expected):
    settings = FitSettings(lr_schedule=schedule, warmup_fraction=0.1)
    factor = lr_factor(settings, step=step, num_steps=20)
    assert math.isclose(factor, expected, abs_tol=1e-12)


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ConfigError, match=r"'step' is unknown.*cosine"):
        lr_factor(FitSettings(lr_schedule="step"), step=3, num_steps=4)


@pytest.mark.parametrize("epochs", [[], [[]]])
def test_no_rows_are_an_error(model, epochs):
    with pytest.raises(ConfigError, match="no demonstrations"):
        fit(model, epochs, FitSettings(), lr=1e-3, batch_tokens=200, seed=0)
