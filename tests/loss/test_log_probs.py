import math

import pytest
import torch

from rllib_gigpo.loss.log_probs import response_log_probs


def test_logp_and_entropy_are_the_numbers_worked_by_hand():
    # Logits log(1), log(1), log(2): probabilities 1/4, 1/4, 1/2.
    head = lambda hidden: hidden  # noqa: E731
    hidden = torch.tensor([[0.0, 0.0, math.log(2.0)]] * 2)
    logp, entropy = response_log_probs(hidden, torch.tensor([0, 2]), head, chunk_tokens=8)
    assert logp.tolist() == pytest.approx([math.log(0.25), math.log(0.5)], abs=1e-6)
    assert entropy.tolist() == pytest.approx([1.5 * math.log(2.0)] * 2, abs=1e-6)


def run(chunk_tokens, num_tokens=13):
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(5, 17, dtype=torch.float64)
    head.weight.data = torch.randn(17, 5, generator=generator, dtype=torch.float64)
    head.bias.data.zero_()
    hidden = torch.randn(num_tokens, 5, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(17, (num_tokens,), generator=generator)
    logp, entropy = response_log_probs(hidden, targets, head, chunk_tokens=chunk_tokens)
    scale = torch.linspace(-1, 1, num_tokens)
    (logp * scale + entropy * scale.flip(0)).sum().backward()
    return logp, entropy, hidden.grad, head.weight.grad


@pytest.mark.parametrize("chunk_tokens", [1, 4, 12, 13])
def test_chunks_change_neither_the_values_nor_the_gradients(chunk_tokens):
    for chunked, whole in zip(run(chunk_tokens), run(1000), strict=True):
        torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-6)


def test_no_more_than_a_chunk_of_logits_exists_at_a_time():
    sizes = []

    def head(hidden):
        sizes.append(len(hidden))
        return hidden @ torch.ones(5, 17)

    hidden = torch.randn(10, 5, requires_grad=True)
    targets = torch.zeros(10, dtype=torch.int64)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        logp, _ = response_log_probs(hidden, targets, head, chunk_tokens=4)
    assert all(shape[-1:] != (17,) for shape in kept)
    logp.sum().backward()
    assert sorted(sizes) == [2, 2, 4, 4, 4, 4]


def test_no_tokens_give_empty_results_that_still_have_a_graph():
    hidden = torch.zeros(3, 5, requires_grad=True)
    logp, entropy = response_log_probs(
        hidden[:0], torch.zeros(0, dtype=torch.int64), lambda h: h, chunk_tokens=4
    )
    assert logp.shape == entropy.shape == (0,)
    logp.sum().backward()
    assert hidden.grad.abs().max().item() == 0.0


def test_the_entropy_carries_no_gradient_unless_asked():
    hidden = torch.randn(3, 5, requires_grad=True)
    arguments = (hidden, torch.zeros(3, dtype=torch.int64), lambda h: h)
    assert response_log_probs(*arguments, chunk_tokens=4)[1].requires_grad
    without = response_log_probs(*arguments, chunk_tokens=4, entropy_gradient=False)
    assert without[0].requires_grad
    assert not without[1].requires_grad


def test_a_chunk_without_tokens_is_an_error():
    with pytest.raises(ValueError, match="chunk_tokens=0"):
        response_log_probs(torch.zeros(1, 2), torch.zeros(1), lambda h: h, chunk_tokens=0)
