"""A probe of the start model: are the loss's log-probs those of the model's own forward pass?

It asks the model instead of a list of architectures: models differ in what they do after their
output embedding, in how they drop out, and in whether padding reaches other tokens.
"""

from __future__ import annotations

import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.models.model_adapter import ModelAdapter, disable_config_dropout, zero_rates

_ROWS = (7, 4)  # lengths; the second row is padded
_LIMIT = 1e-3  # of a log-prob in float32
_LIMIT_OF_HALF = 0.25  # matrix products of other shapes round differently


@torch.no_grad()
def probe(adapter: ModelAdapter) -> None:
    """Check a model on eleven tokens; correct what can be corrected.

    Two passes over the same tokens must agree (dropout), a pass in training mode with one in
    evaluation mode, the log-probs of the loss must be those of the whole model (what follows the
    output embedding), and a row's must not depend on padding. The global random state does not
    change.

    Args:
        adapter: The adapter of the model to train, on its device.

    Raises:
        ConfigError: A difference is too large, or the model fails; the message says which.
    """
    devices = [adapter.model.device] if adapter.model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            _check_repeats(adapter)
            _check_head(adapter)
            _check_padding(adapter)
    except (ConfigError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a model's own code may raise anything
        raise ConfigError(
            f"{_name(adapter).capitalize()} fails on eleven tokens: {type(error).__name__}: "
            f"{error}. Its config.json may not fit its code in transformers, or it needs more than"
            " tokens: use another model."
        ) from error


def _check_repeats(adapter: ModelAdapter) -> None:
    first = _log_probs(adapter)
    if not first.isfinite().any(-1).all():
        return  # weights without numbers: the update says so
    if _is_close(adapter, first, _log_probs(adapter)):
        return
    disable_config_dropout(adapter.model)
    first, second = _log_probs(adapter), _log_probs(adapter)
    if not _is_close(adapter, first, second):
        raise ConfigError(
            f"Two passes of {_name(adapter)} over the same tokens differ by up to"
            f" {_difference(first, second):.2g} in their log-probs, so the policy ratio would be"
            " noise. The model draws random numbers that setting its dropout to 0 does not stop:"
            " use another model, or one whose config.json has no dropout or noise."
        )


def _check_head(adapter: ModelAdapter) -> None:
    own = _own_log_probs(adapter)
    if _is_close(adapter, _log_probs(adapter), own):
        return
    of_modes = _whole_log_probs(adapter)
    if not _is_close(adapter, of_modes, own):
        raise ConfigError(
            f"The log-probs of {_name(adapter)} in training mode differ from those in evaluation"
            f" mode, in which the engine runs it, by up to {_difference(of_modes, own):.2g}, so the"
            " policy ratio would not be 1. Use another model."
        )
    difference = _difference(_log_probs(adapter), own)
    adapter.use_own_head()
    if not _is_close(adapter, _log_probs(adapter), own):
        raise ConfigError(
            f"The loss's log-probs of {_name(adapter)} differ from those of its own forward pass by"
            f" up to {difference:.2g}: it does something after its output embedding that"
            " rllib-gigpo does not know. Use another model."
        )


def _own_log_probs(adapter: ModelAdapter) -> torch.Tensor:
    """Return the log-probs of the whole model as an engine runs it: in evaluation mode.

    Its rates are those of its configuration. They change nothing there, unless they are more than
    noise: PhiMoE compares router logits with its ``router_jitter_noise``.
    """
    modes = {module: module.training for module in adapter.model.modules()}
    config, zeros = adapter.model.config.get_text_config(), list(zero_rates(adapter.model))
    adapter.model.eval()
    for module, name in zeros:
        setattr(module, name, getattr(config, name, 0.0))
    try:
        return _whole_log_probs(adapter)
    finally:
        for module, name in zeros:
            setattr(module, name, 0.0)
        for module, mode in modes.items():
            module.training = mode


def _whole_log_probs(adapter: ModelAdapter) -> torch.Tensor:
    return adapter.own_logits(_input_ids(adapter)).float().log_softmax(-1)


def _check_padding(adapter: ModelAdapter) -> None:
    batch = _log_probs(adapter).unflatten(0, (len(_ROWS), -1))
    for row, length in enumerate(_ROWS):
        ids = _input_ids(adapter)[row : row + 1, :length]
        alone = _scored(adapter, ids)
        if not _is_close(adapter, batch[row, :length], alone):
            raise ConfigError(
                f"The log-probs of a row of {_name(adapter)} change by up to"
                f" {_difference(batch[row, :length], alone):.2g} if the row is padded on the right,"
                " so its tokens see later ones or other rows. Use a causal model."
            )


def _log_probs(adapter: ModelAdapter) -> torch.Tensor:
    """Return the log-probs of every token at every position, as the loss sees them: (B·L, V)."""
    return _scored(adapter, _input_ids(adapter))


def _scored(adapter: ModelAdapter, ids: torch.Tensor) -> torch.Tensor:
    return adapter.position_logits(_micro_batch(ids), chunk_tokens=5).float().log_softmax(-1)


def _input_ids(adapter: ModelAdapter) -> torch.Tensor:
    """Return rows of small ids, padded with 0: (B, L)."""
    num_tokens = adapter.model.get_input_embeddings().weight.shape[0]
    ids = torch.zeros(len(_ROWS), max(_ROWS), dtype=torch.int64)
    for row, length in enumerate(_ROWS):
        ids[row, :length] = (torch.arange(length) * 5 + 3 + row) % num_tokens
    return ids.to(adapter.model.device)


def _micro_batch(input_ids: torch.Tensor) -> MicroBatch:
    none = input_ids.new_zeros(0)
    return MicroBatch(input_ids, none, none, none, none, none)


def _is_close(adapter: ModelAdapter, one: torch.Tensor, other: torch.Tensor) -> bool:
    is_single = adapter.model.dtype in (torch.float32, torch.float64)
    return _difference(one, other) <= (_LIMIT if is_single else _LIMIT_OF_HALF)


def _difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference; entries that are -inf or NaN in both do not count."""
    both = one.isfinite() | other.isfinite()
    return (one - other).abs()[both].max().item() if both.any() else 0.0


def _name(adapter: ModelAdapter) -> str:
    config = adapter.model.config
    return f"this {config.model_type} model"
