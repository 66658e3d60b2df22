"""The reference engine: Hugging Face's own forward pass, one sequence at a time.

It is slow and exact: without padding and batching, each log-prob equals that of a plain forward
pass over the sequence. Use it for debugging, and as the oracle in tests of the fast engine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.inference_engine import (
    EngineSettings,
    Generation,
    GenerationRequest,
    InferenceEngine,
    allowed_tokens,
    check_request_ids,
)
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.engines.token_distribution import SampledToken, entropy_of, sample_token
from rllib_gigpo.engines.vllm import process_guard
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.models.causal_lm import open_causal_lm
from rllib_gigpo.models.checkpoint_names import CheckpointNames
from rllib_gigpo.weights.checksum import NamedTensors, checked, weights_checksum


@dataclass(slots=True)
class _Sequence:
    """An unfinished request."""

    request: GenerationRequest
    max_tokens: int
    generator: torch.Generator
    cache: Any = None  # the keys and values of all tokens except the last
    token_ids: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    top_logp: list[list[float]] = field(default_factory=list)
    vocab_size: int = 0


class TransformersEngine(InferenceEngine):
    """Engine on ``transformers``; each ``poll`` samples one token for every request."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        if settings.engine_kwargs:
            raise ConfigError(
                f"The transformers engine takes no engine_kwargs, but got "
                f"{dict(settings.engine_kwargs)}; remove them."
            )
        if settings.lora is not None:
            raise ConfigError(
                "The transformers engine cannot load adapters; set sync='merged' in llm(lora=...)."
            )
        self._model: Any = None
        self._sequences: dict[str, _Sequence] = {}
        self._weight_version = 0
        self._generator = torch.Generator().manual_seed(settings.seed)

    def start(self) -> None:
        """See the base class."""
        path = self.settings.model_path
        facts = read_model_facts(path)
        facts.check_context(self.settings.max_model_len)
        self._stop_token_ids = frozenset(facts.stop_token_ids)
        self._tied_head = facts.tied_head
        try:
            model = open_causal_lm(path, dtype=getattr(torch, self.settings.dtype))
        except ConfigError as error:
            raise EngineError(str(error)) from error
        self._model = model.eval().requires_grad_(False)
        self._names = CheckpointNames(model)
        self._pass: Callable[..., tuple[torch.Tensor, Any]] = self._text_pass
        if facts.reads_images:
            from rllib_gigpo.engines.image_passes import ImagePasses

            self._pass = ImagePasses(model, path)

    @property
    def num_unfinished(self) -> int:
        """See the base class."""
        return len(self._sequences)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """See the base class."""
        self._running()
        check_request_ids(requests, self._sequences)
        lengths = [allowed_tokens(request, self.settings.max_model_len) for request in requests]
        for request, max_tokens in zip(requests, lengths, strict=True):
            generator = self._generator
            if request.seed is not None:
                generator = torch.Generator().manual_seed(request.seed)
            self._sequences[request.request_id] = _Sequence(request, max_tokens, generator)

    def poll(self) -> list[Generation]:
        """See the base class."""
        self._running()
        with process_guard.num_threads(self.settings.num_threads):
            return self._extend_all()

    def _extend_all(self) -> list[Generation]:
        finished = []
        for sequence in list(self._sequences.values()):
            self._extend(sequence)
            reason = self._finish_reason(sequence)
            if reason:
                del self._sequences[sequence.request.request_id]
                finished.append(_as_generation(sequence, reason))
        return finished

    def _text_pass(self, ids: list[int], images: Any, cache: Any) -> tuple[torch.Tensor, Any]:
        """Return the logits of the next token, (V,), and the cache with these tokens."""
        output = self._model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
        return output.logits[0, -1], output.past_key_values

    @torch.no_grad()
    def _extend(self, sequence: _Sequence) -> None:
        new_ids = sequence.token_ids[-1:]
        if sequence.cache is None:
            new_ids = [*sequence.request.prompt_token_ids, *sequence.token_ids]
        logits, sequence.cache = self._pass(new_ids, sequence.request.images, sequence.cache)
        token = sample_token(logits, sequence.request.sampling, generator=sequence.generator)
        sequence.token_ids.append(token.token_id)
        sequence.logp.append(token.logp)
        sequence.versions.append(self._weight_version)
        if sequence.request.with_uncertainty:
            _measure(sequence, token)

    def _finish_reason(self, sequence: _Sequence) -> str:
        if sequence.token_ids[-1] in self._stop_token_ids:
            return "stop"
        return "length" if len(sequence.token_ids) == sequence.max_tokens else ""

    def abort(self, request_ids: Sequence[str]) -> None:
        """See the base class."""
        for request_id in request_ids:
            self._sequences.pop(request_id, None)

    @property
    def weight_version(self) -> int:
        """See the base class."""
        return self._weight_version

    def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """See the base class; a stream that does not match leaves the old weights in use."""
        model = self._running()
        new = dict(checked(named_tensors, self._names.shapes, tied_head=self._tied_head))
        if self._tied_head is not None:
            new.pop(self._tied_head, None)
        self._names.load(model, new)
        for sequence in self._sequences.values():
            sequence.cache = None
        self._weight_version = version

    def weights_checksum(self) -> str:
        """See the base class; computed from the parameters, in the engine's dtype."""
        own = self._running().state_dict().items()
        weights = self._names.converted(own, lambda tensor: tensor)
        return weights_checksum(weights, tied_head=self._tied_head)

    def sleep(self) -> None:
        """Do nothing: the engine runs on the CPU."""

    def wake(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """See the base class."""
        self._model = None
        self._sequences.clear()

    def _running(self) -> Any:
        if self._model is None:
            raise EngineError("The engine is not running: call start() first.")
        return self._model


def _as_generation(sequence: _Sequence, finish_reason: str) -> Generation:
    return Generation(
        request_id=sequence.request.request_id,
        token_ids=sequence.token_ids,
        logp=np.asarray(sequence.logp, np.float32),
        weight_version=min(sequence.versions),
        finish_reason=finish_reason,
        token_versions=np.asarray(sequence.versions, np.int64),
        uncertainty=_uncertainty(sequence) if sequence.request.with_uncertainty else None,
    )


def _measure(sequence: _Sequence, token: SampledToken) -> None:
    sequence.entropy.append(float(entropy_of(token.distribution)))
    sequence.top_logp.append(token.distribution.topk(2).values.tolist())
    sequence.vocab_size = len(token.distribution)


def _uncertainty(sequence: _Sequence) -> TokenUncertainty:
    return TokenUncertainty(
        entropy=np.asarray(sequence.entropy, np.float32),
        top_logp=np.asarray(sequence.top_logp, np.float32).reshape(-1, 2),
        vocab_size=sequence.vocab_size,
    )
