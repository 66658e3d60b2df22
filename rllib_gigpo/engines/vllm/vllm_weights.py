"""Full weight updates for a vLLM engine (vLLM 0.32), through its weight transfer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from vllm.config import set_current_vllm_config
from vllm.distributed.weight_transfer import WeightTransferEngine, WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import WeightTransferInitInfo, WeightTransferUpdateInfo
from vllm.lora.request import LoRARequest
from vllm.model_executor.model_loader.reload.layerwise import (
    finalize_layerwise_reload,
    get_layerwise_info,
    initialize_layerwise_reload,
)
from vllm.v1.engine.llm_engine import LLMEngine

from rllib_gigpo.engines.model_facts import ModelFacts
from rllib_gigpo.engines.vllm.reported_entropy import add_entropy
from rllib_gigpo.engines.vllm.vllm_settings import WEIGHT_TRANSFER_BACKEND
from rllib_gigpo.weights.checksum import NamedTensors, WeightsChecksum, checked, with_tied_head
from rllib_gigpo.weights.chunks import Chunk, SharedChunk, chunked, read_shared_chunk

# --- in vLLM's workers ------------------------------------------------------------------------


def register_plugins() -> None:
    """Register the weight transfer backend with vLLM in this process.

    This is the entry point of group ``vllm.general_plugins``, which vLLM calls in each process.
    """
    # A second registration raises, and vLLM has no public way to query the registry.
    if WEIGHT_TRANSFER_BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(WEIGHT_TRANSFER_BACKEND, HandedOverWeights)


@dataclass
class _InitInfo(WeightTransferInitInfo):
    """Settings of the receiving end; there is no rendezvous."""

    tied_head: str | None
    checksum_weights: bool


@dataclass
class _UpdateInfo(WeightTransferUpdateInfo):
    """A chunk: the tensors themselves (same process), or their place in shared memory."""

    tensors: Chunk | None = None
    shared: dict[str, Any] | None = None


class HandedOverWeights(WeightTransferEngine[_InitInfo, _UpdateInfo]):
    """The receiving end in vLLM, which takes checkpoint tensors chunk by chunk."""

    init_info_cls = _InitInfo
    update_info_cls = _UpdateInfo
    supports_draft_weight_update = False

    def init_transfer_engine(self, init_info: _InitInfo) -> None:
        """Store the settings."""
        self._init_info = init_info

    def start_weight_update(self) -> None:
        """Restore every layer's checkpoint layout (CPU layers are repacked after loading)."""
        self._checksum = WeightsChecksum(tied_head=self._init_info.tied_head)
        if self.device.type == "cpu":
            self._forget_packed_experts()
        initialize_layerwise_reload(self.model)

    def _forget_packed_experts(self) -> None:
        """Let mixtures of experts be packed again, which vLLM (0.32) does once, when they load."""
        for layer in self.model.modules():
            method: Any = getattr(layer, "quant_method", None)
            if getattr(method, "moe_kernel", None) is not None:
                method.moe_kernel = None

    def receive_weights(self, update_info: _UpdateInfo) -> None:
        """Load one chunk."""
        pairs = update_info.tensors or []
        if update_info.shared is not None:
            pairs = read_shared_chunk(update_info.shared, self.device)
        if self._init_info.checksum_weights:
            for name, tensor in pairs:
                self._checksum.add(name, tensor)
        self.model.load_weights([pair for pair in pairs if self._has_place(pair[0])])

    def _has_place(self, name: str) -> bool:
        """Return whether vLLM's model takes a tensor: some tied models have no output head."""
        if name != self._init_info.tied_head:
            return True
        head = name.split(".")[-2]
        paths = (path for path, _ in self.model.named_modules(remove_duplicate=False))
        return any(path.split(".")[-1] == head for path in paths)

    def finish_weight_update(self) -> None:
        """Repack the layers."""
        finalize_layerwise_reload(self.model, self.model_config)

    def abandon(self) -> None:
        """Discard an incomplete update; otherwise its tensors would mix with the next update's."""
        for layer in self.model.modules():
            info = get_layerwise_info(layer)
            info.loaded_weights.clear()
            info.load_numel = 0
        finalize_layerwise_reload(self.model, self.model_config)
        self.reset_weight_update_target()

    def received_checksum(self) -> str:
        """Return the checksum of the last update's tensors, as received.

        vLLM's own parameters are fused (q, k and v; gate and up), padded and repacked, so a
        checksum of them cannot be compared with the Learner's.
        """
        return self._checksum.hexdigest()

    def shutdown(self) -> None:
        """Do nothing: there is nothing to release."""


class WorkerExtension:
    """Methods added to vLLM's workers, callable by name from any process."""

    def abandon_weight_update(self: Any) -> None:
        """Close a failed weight update (vLLM 0.32 keeps it open and refuses the next one)."""
        with set_current_vllm_config(self.vllm_config):
            self.weight_transfer_engine.abandon()
        self._weight_update_active = False

    def received_weights_checksum(self: Any) -> str:
        """Return the checksum of the last update's tensors."""
        return self.weight_transfer_engine.received_checksum()

    def report_entropy(self: Any) -> None:
        """Make the sampler add the entropy to log-probs; see `reported_entropy`."""
        add_entropy(self.model_runner.sampler)


# --- in the engine's process ------------------------------------------------------------------


class WeightChannel(ABC):
    """The sending end of weight updates; an engine has one.

    Attributes:
        is_whole: False during an update, and after an update that failed halfway.
        lora_request: The adapter that every request must name; None for the model's own weights.
    """

    is_whole: bool = True
    lora_request: LoRARequest | None = None

    @abstractmethod
    def load(self, named_tensors: NamedTensors) -> None:
        """Send an update to every worker.

        Raises:
            EngineError: Tensors are missing or do not match.
        """

    @abstractmethod
    def received_checksums(self) -> list[str]:
        """Return the checksum of the last update as received, one per worker."""

    def close(self) -> None:  # noqa: B027 - optional
        """Free the channel's resources."""


class AllWeights(WeightChannel):
    """Channel that sends every tensor of the checkpoint in each update."""

    def __init__(
        self, llm: LLMEngine, facts: ModelFacts, *, in_process: bool, checksum_weights: bool
    ) -> None:
        """Open the channel to a running engine that was started from the model of ``facts``."""
        self._llm = llm
        self._facts = facts
        self._in_process = in_process
        init_info = {"tied_head": facts.tied_head, "checksum_weights": checksum_weights}
        self._call("init_weight_transfer_engine", init_info=init_info)

    def load(self, named_tensors: NamedTensors) -> None:
        """Run vLLM's phases; a small model fits in one chunk, which is checked beforehand."""
        facts = self._facts
        stream = checked(named_tensors, facts.tensor_shapes, tied_head=facts.tied_head)
        if facts.tied_head is not None:
            stream = with_tied_head(stream, head=facts.tied_head, embedding=facts.embedding)
        chunks = chunked(stream)
        chunk = next(chunks, None)
        self._call("start_weight_update")
        self.is_whole = False
        try:
            while chunk is not None:
                self._hand_over(chunk)
                chunk = next(chunks, None)
            self._call("finish_weight_update")
        except BaseException:
            self._call("abandon_weight_update")
            raise
        self.is_whole = True

    def _hand_over(self, chunk: Chunk) -> None:
        if self._in_process:
            self._call("update_weights", update_info={"tensors": chunk})
            return
        with SharedChunk(chunk) as shared:
            self._call("update_weights", update_info={"shared": shared.description})

    def received_checksums(self) -> list[str]:
        """See the base class."""
        return self._call("received_weights_checksum")

    def _call(self, method: str, **kwargs: Any) -> list[Any]:
        return self._llm.collective_rpc(method, kwargs=kwargs)
