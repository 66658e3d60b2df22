"""The Learner's optimisers and their parameter groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.options.records import NotStrict, require
from rllib_gigpo.options.registry import Registry

PEAK_LR = "peak_lr"  # key of a parameter group: its learning rate after the warm-up


class Optim(ABC):
    """An optimiser and its options, except the learning rates."""

    name: ClassVar[str] = "custom"
    # Numbers kept for each parameter.
    num_moments: ClassVar[int] = 2

    @abstractmethod
    def build(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build the optimiser for groups of parameters, each with its "lr"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW(Optim):
    """AdamW (arXiv 1711.05101).

    Attributes:
        weight_decay: Decoupled weight decay, at least 0.
        betas: Decay rates of the two moments, in [0, 1).
        eps: Epsilon, above 0.
    """

    name: ClassVar[str] = "adamw"
    num_moments: ClassVar[int] = 2

    weight_decay: float = 0.01
    betas: Annotated[tuple[float, float], NotStrict()] = (0.9, 0.999)  # or a list, as in JSON
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Check that the numbers are in range."""
        require(self, weight_decay=">= 0", eps="> 0")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={self.betas!r} must be two numbers in [0, 1)")

    def build(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build torch's AdamW."""
        return torch.optim.AdamW(
            groups,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD(Optim):
    """Plain gradient steps, without momentum or weight decay."""

    name: ClassVar[str] = "sgd"
    num_moments: ClassVar[int] = 0

    def build(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build torch's SGD."""
        return torch.optim.SGD(groups)


OPTIMIZERS: Registry[Optim] = Registry("optim", Optim, (AdamW, SGD))


def parameter_groups(
    *rates: tuple[Iterable[torch.nn.Parameter], float],
) -> list[dict[str, Any]]:
    """Group the trained parameters of each model; frozen ones are left out.

    Args:
        *rates: The parameters of a model and their rate after the warm-up, the policy's first.

    Returns:
        One of torch's parameter groups for each model that is trained.
    """
    groups = (
        {"params": [one for one in parameters if one.requires_grad], "lr": rate, PEAK_LR: rate}
        for parameters, rate in rates
    )
    return [group for group in groups if group["params"]]


def scale_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group[PEAK_LR]


@contextmanager
def options_kept(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Keep the options of an optimiser, such as rates, while the block loads its state.

    They come from the config, which may have changed since the state was saved.
    """
    options = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    try:
        yield
    finally:
        for group, own in zip(optimizer.param_groups, options, strict=True):
            group.update(own)


def fill_moments(optimizer: torch.optim.Optimizer) -> None:
    """Give each parameter that has no moments empty ones, so that a checkpoint can list them all.

    The gradients must be None. A step with a rate of 0 makes the moments, and does not count.
    """
    groups = optimizer.param_groups
    parameters = [one for group in groups for one in group["params"]]
    new = [one for one in parameters if one.requires_grad and one not in optimizer.state]
    for parameter in new:
        parameter.grad = torch.zeros_like(parameter)
    with options_kept(optimizer):
        scale_learning_rates(optimizer, 0.0)
        optimizer.step()
    for parameter in new:
        parameter.grad = None
        if "step" in optimizer.state.get(parameter, {}):
            optimizer.state[parameter]["step"].zero_()


def to_cpu(value: Any) -> Any:
    """Copy all tensors of nested dicts, lists and tuples to the CPU, detached.

    Args:
        value: A nested value, such as an optimiser's state.

    Returns:
        The copy, nested in the same way.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: to_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_cpu(item) for item in value)
    return value
