"""The inference engine's interface: prompt token ids in, sampled token ids and log-probs out.

The EnvRunner renders a prompt and an engine answers it; the answer's ids and log-probs reach the
loss unchanged. An engine keeps a batch running: ``submit`` adds requests at any time, ``poll``
advances the batch and returns what has finished.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.errors import EngineError
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.options.records import Options, require

if TYPE_CHECKING:
    import torch

# Of an engine's weights; "auto": bfloat16 where it is faster.
EngineDType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How tokens are sampled: temperature, then top-k, then top-p, then renormalisation.

    ``temperature=0`` takes the most likely token, with its log-prob at temperature 1.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    max_tokens: int = 512

    def __post_init__(self) -> None:
        """Check that the values define a distribution."""
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or self.max_tokens < 1:
            raise ValueError(
                f"{self} defines no distribution: use temperature >= 0, 0 < top_p <= 1, top_k >= 0 "
                "(0 is off) and max_tokens >= 1."
            )


@dataclass(frozen=True, slots=True)
class EvalSampling(Options):
    """How evaluation samples tokens; training samples from the model's own distribution.

    Attributes:
        temperature: Sampling temperature, at least 0; 0 takes the most likely token.
        top_p: Share of the probability to sample from, in (0, 1].
        top_k: Number of tokens to sample from; 0 for all.
    """

    temperature: float = 0.4
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        """Check that the values define a distribution."""
        require(self, temperature=">= 0", top_p="> 0, <= 1", top_k=">= 0")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to answer."""

    request_id: str  # unique among the unfinished requests of an engine
    prompt_token_ids: Sequence[int]  # (P,)
    sampling: SamplingSettings
    seed: int | None = None  # None: drawn from the engine's own random stream
    images: tuple[PlacedImage, ...] = ()  # what the tokens at their places show
    with_uncertainty: bool = False  # whether the answer tells how uncertain its tokens were


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer: L sampled tokens."""

    request_id: str
    token_ids: list[int]  # (L,) including the end-of-turn token, if sampled
    logp: np.ndarray  # (L,) float32, under the distribution that was sampled from
    weight_version: int  # the oldest version in token_versions
    finish_reason: str  # "stop", "length" or "abort"
    token_versions: np.ndarray  # (L,) int64, the version of the weights that sampled each token
    num_cached_tokens: int = 0  # of the prompt, taken from the engine's prefix cache
    uncertainty: TokenUncertainty | None = None  # of the L tokens, if the request asked for it


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The settings that any engine starts with."""

    model_path: str
    max_model_len: int  # tokens of prompt and response together
    dtype: str = "float32"  # or "auto", which make_engine resolves
    seed: int = 0
    tensor_parallel_size: int = 1
    share_gpu: bool = False  # with a Learner: sleep between rollouts, and take less memory
    num_threads: int | None = None  # of the engine's CPU kernels; None: the process's number
    updates_in_flight: bool = False  # whether weights are loaded while requests run
    timeout_s: float = 600.0  # poll raises after this long without progress
    lora: LoraSettings | None = None  # weight updates hold only this adapter
    max_prompt_images: int = 8  # in one prompt; for models that read images
    checksum_weights: bool = True  # hash what load_weights receives (one pass over the weights)
    engine_kwargs: Mapping[str, Any] = field(default_factory=dict)  # the engine's own options


class Watchdog:
    """A check that an engine with unfinished requests makes progress."""

    def __init__(self, timeout_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._last_progress_s = clock()

    def progressed(self) -> None:
        """Restart the wait."""
        self._last_progress_s = self._clock()

    def check(self, num_unfinished: int) -> None:
        """Raise EngineError after ``timeout_s`` seconds without progress."""
        waited_s = self._clock() - self._last_progress_s
        if waited_s > self._timeout_s:
            raise EngineError(
                f"The engine made no progress for {waited_s:.0f} s (timeout {self._timeout_s:.0f} "
                f"s) with {num_unfinished} requests unfinished. Look above for an error of the "
                "engine's process, or raise inference(engine_timeout_s=...) if the model is slow."
            )


class InferenceEngine(ABC):
    """A language model that answers token prompts in a continuous batch.

    Life cycle: ``start``; any number of ``submit``, ``poll``, ``load_weights``, ``sleep`` and
    ``wake``; ``stop``. Not thread-safe. Subclasses implement the abstract methods.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings

    @abstractmethod
    def start(self) -> None:
        """Load the model of ``settings.model_path`` as weight version 0.

        Raises:
            EngineError: The folder is not a model, the context is too long or memory is too short.
        """

    @abstractmethod
    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Add requests to the running batch.

        A request whose prompt and ``max_tokens`` exceed ``max_model_len`` gets fewer tokens.

        Raises:
            EngineError: The engine is not running, or a prompt alone fills ``max_model_len``.
            ValueError: A request id is already in use.
        """

    @abstractmethod
    def poll(self) -> list[Generation]:
        """Advance the batch by one step and return what has finished; ``[]`` if nothing runs.

        Raises:
            EngineError: The engine failed, or made no progress for ``settings.timeout_s``.
        """

    @property
    @abstractmethod
    def num_unfinished(self) -> int:
        """Number of requests submitted and not yet returned."""

    @abstractmethod
    def abort(self, request_ids: Sequence[str]) -> None:
        """Drop requests, so ``poll`` does not return them. Unknown ids are ignored."""

    @abstractmethod
    def load_weights(
        self, named_tensors: Iterable[tuple[str, "torch.Tensor"]], version: int
    ) -> None:
        """Replace all weights with ``(checkpoint name, tensor)`` pairs.

        Requests that are under way go on: what was cached of them is computed again, and their next
        token comes from the new weights.

        With ``settings.lora`` the pairs are an adapter under peft's names, and the model's own
        weights stay.

        Raises:
            EngineError: Tensors are missing or do not match. The engine accepts the next update;
                until one succeeds, it may refuse requests.
        """

    @property
    @abstractmethod
    def weight_version(self) -> int:
        """The version of the weights that sample the next token; 0 after ``start``."""

    @abstractmethod
    def weights_checksum(self) -> str:
        """Return the ``weights.checksum.weights_checksum`` of the weights in use."""

    @abstractmethod
    def sleep(self) -> None:
        """Free the accelerator's memory until ``wake``; the engine must be idle. No-op on a CPU."""

    @abstractmethod
    def wake(self) -> None:
        """Undo ``sleep``."""

    @abstractmethod
    def stop(self) -> None:
        """Free everything. A second call is safe."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answer ``requests`` and return the answers in the same order.

        Raises:
            EngineError: Other requests are unfinished (their answers would be lost), or ``submit``
                or ``poll`` failed.
        """
        if self.num_unfinished:
            raise EngineError(
                f"generate() needs an idle engine, but {self.num_unfinished} requests are "
                "unfinished: poll them to the end, abort them, or use submit() and poll()."
            )
        self.submit(requests)
        answers: dict[str, Generation] = {}
        while self.num_unfinished:
            answers.update((generation.request_id, generation) for generation in self.poll())
        return [answers[request.request_id] for request in requests]


def allowed_tokens(request: GenerationRequest, max_model_len: int) -> int:
    """Return how many tokens ``request`` may sample in a context of ``max_model_len`` tokens.

    Raises:
        EngineError: The prompt is empty or leaves no room for a token.
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
    """Check that the request ids are unique, because they identify the answers.

    Raises:
        ValueError: An id is in use or appears twice in ``requests``.
    """
    seen: set[str] = set()
    for request in requests:
        if request.request_id in in_use or request.request_id in seen:
            raise ValueError(f"Request id {request.request_id!r} is in use; choose another.")
        seen.add(request.request_id)
