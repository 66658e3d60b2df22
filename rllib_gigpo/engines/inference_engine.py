"""The inference engine's interface: prompt token ids in, sampled token ids and log-probs out.

Place in the flow: the EnvRunner renders a prompt, an engine answers it, the answer's ids and
log-probs travel to the loss untouched. An engine keeps a batch running: ``submit`` puts requests
into it at any time, ``poll`` advances it and returns what has finished.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rllib_gigpo.errors import EngineError
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.options.records import Options, require

if TYPE_CHECKING:
    import torch

DType = Literal["float32", "bfloat16", "float16"]  # of an engine's weights


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How tokens are drawn: temperature first, then top-k, then top-p, then renormalised.

    ``temperature=0`` takes the most probable token; its log-prob is then the one at temperature 1.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    max_tokens: int = 512

    def __post_init__(self) -> None:
        """Refuse values that no distribution belongs to."""
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or self.max_tokens < 1:
            raise ValueError(
                f"{self} cannot be sampled from: use temperature >= 0, 0 < top_p <= 1, top_k >= 0 "
                "(0 is off) and max_tokens >= 1."
            )


@dataclass(frozen=True, slots=True)
class EvalSampling(Options):
    """How evaluation draws tokens; training draws from the model's own distribution.

    Attributes:
        temperature: 0 takes the most likely token; at least 0.
        top_p: Share of the probability that is drawn from, in (0, 1].
        top_k: Number of tokens that are drawn from; 0 for all.
    """

    temperature: float = 0.4
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no distribution belongs to."""
        require(self, temperature=">= 0", top_p="> 0, <= 1", top_k=">= 0")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to be answered."""

    request_id: str  # unique among the unfinished requests of an engine
    prompt_token_ids: Sequence[int]  # (P,)
    sampling: SamplingSettings
    seed: int | None = None  # None: drawn from the engine's own random stream


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer: L sampled tokens."""

    request_id: str
    token_ids: list[int]  # (L,) with the end-of-turn token, if it was sampled
    logp: np.ndarray  # (L,) float32, under the distribution that was really sampled from
    weight_version: int  # the oldest version that made one of the tokens
    finish_reason: str  # "stop", "length" or "abort"
    token_versions: np.ndarray  # (L,) int64, the version of the weights that made each token


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What an engine needs to start; the same record for every engine."""

    model_path: str
    max_model_len: int  # tokens of prompt and response together
    dtype: str = "float32"
    seed: int = 0
    tensor_parallel_size: int = 1
    share_gpu: bool = False  # a Learner uses the same GPU: sleep between rollouts, take less memory
    num_threads: int | None = None  # of the engine's CPU kernels; None: as the process has it
    timeout_s: float = 600.0  # without any progress for this long, poll raises
    lora: LoraSettings | None = None  # weight updates bring this adapter alone, not the weights
    checksum_weights: bool = True  # hash what load_weights received (one pass over the weights)
    engine_kwargs: Mapping[str, Any] = field(default_factory=dict)  # the engine's own options


class Watchdog:
    """Notices that an engine with unfinished requests makes no progress."""

    def __init__(self, timeout_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._last_progress_s = clock()

    def progressed(self) -> None:
        """Start waiting again."""
        self._last_progress_s = self._clock()

    def check(self, num_unfinished: int) -> None:
        """Raise EngineError if nothing has moved for ``timeout_s`` seconds."""
        waited_s = self._clock() - self._last_progress_s
        if waited_s > self._timeout_s:
            raise EngineError(
                f"The engine made no progress for {waited_s:.0f} s (timeout {self._timeout_s:.0f} "
                f"s) while {num_unfinished} requests wait. Look for an error of the engine's "
                "process above, or raise inference(engine_timeout_s=...) if the model is that slow."
            )


class InferenceEngine(ABC):
    """A language model that answers token prompts in a continuous batch.

    Life: ``start``, any number of (``submit``, ``poll``, ``load_weights``, ``sleep``, ``wake``),
    ``stop``. Not thread-safe. Subclasses fill in the abstract methods, and have ``generate``.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings

    @abstractmethod
    def start(self) -> None:
        """Load the model of ``settings.model_path`` as weight version 0.

        Raises:
            EngineError: If the folder is not a model, the context is too long or memory is short.
        """

    @abstractmethod
    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Add requests to the running batch.

        A request whose prompt and ``max_tokens`` exceed ``max_model_len`` gets fewer tokens.

        Raises:
            EngineError: If the engine is not running, or a prompt alone fills ``max_model_len``.
            ValueError: If a request id is already in use.
        """

    @abstractmethod
    def poll(self) -> list[Generation]:
        """Advance the batch by one step and return what has finished; ``[]`` if nothing runs.

        Raises:
            EngineError: If the engine failed or made no progress for ``settings.timeout_s``.
        """

    @property
    @abstractmethod
    def num_unfinished(self) -> int:
        """Number of requests that are submitted and not yet returned."""

    @abstractmethod
    def abort(self, request_ids: Sequence[str]) -> None:
        """Drop requests: ``poll`` will not return them. Unknown ids are ignored."""

    @abstractmethod
    def load_weights(
        self, named_tensors: Iterable[tuple[str, "torch.Tensor"]], version: int
    ) -> None:
        """Replace all weights by ``(checkpoint name, tensor)`` pairs.

        With ``settings.lora`` the pairs are an adapter's, under peft's names; the model's own
        weights stay.

        Raises:
            EngineError: If requests are unfinished, tensors are missing or do not fit. The engine
                takes the next update; until one succeeds it may refuse requests.
        """

    @property
    @abstractmethod
    def weight_version(self) -> int:
        """The version of the weights that will make the next token; 0 after ``start``."""

    @abstractmethod
    def weights_checksum(self) -> str:
        """Return ``weights.weights_checksum`` of the weights in use."""

    @abstractmethod
    def sleep(self) -> None:
        """Free the accelerator's memory until ``wake``; nothing on a CPU. Must be idle."""

    @abstractmethod
    def wake(self) -> None:
        """Undo ``sleep``."""

    @abstractmethod
    def stop(self) -> None:
        """Free everything. Safe to call twice."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answer ``requests`` and return the answers in the same order.

        Raises:
            EngineError: If other requests are unfinished (their answers would be lost), or as in
                ``submit`` and ``poll``.
        """
        if self.num_unfinished:
            raise EngineError(
                f"generate() needs an idle engine, {self.num_unfinished} requests are unfinished: "
                "poll them to the end, abort them, or use submit() and poll()."
            )
        self.submit(requests)
        answers: dict[str, Generation] = {}
        while self.num_unfinished:
            answers.update((generation.request_id, generation) for generation in self.poll())
        return [answers[request.request_id] for request in requests]


def allowed_tokens(request: GenerationRequest, max_model_len: int) -> int:
    """Return how many tokens ``request`` may sample in a context of ``max_model_len`` tokens.

    Raises:
        EngineError: If the prompt is empty or leaves no room for a single token.
    """
    num_prompt = len(request.prompt_token_ids)
    room = max_model_len - num_prompt
    if num_prompt == 0 or room < 1:
        raise EngineError(
            f"The prompt of request {request.request_id!r} has {num_prompt} tokens; it must have "
            f"at least 1 and leave room for a response in max_model_len={max_model_len}. "
            "Lower llm(max_prompt_tokens=...) or use a model with a longer context."
        )
    return min(request.sampling.max_tokens, room)


def check_request_ids(requests: Sequence[GenerationRequest], in_use: Container[str]) -> None:
    """Refuse a request id that is unfinished already, or stands twice in ``requests``.

    Raises:
        ValueError: Answers are told apart by their request ids.
    """
    seen: set[str] = set()
    for request in requests:
        if request.request_id in in_use or request.request_id in seen:
            raise ValueError(f"Request id {request.request_id!r} is in use: choose another.")
        seen.add(request.request_id)
