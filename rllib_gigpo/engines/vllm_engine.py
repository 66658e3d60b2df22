"""The vLLM engine (vLLM 0.32). The only file of the project that imports vllm.

On a CPU the engine lives in the caller's process (``process_guard`` keeps that process as it was);
with CUDA it runs in child processes of its own, which new weights reach through shared memory.
The CUDA path is written from vLLM's source and was not run on a GPU.
"""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import vllm.distributed.parallel_state as parallel_state
from vllm import SamplingParams
from vllm.config import set_current_vllm_config
from vllm.distributed.weight_transfer import WeightTransferEngine, WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import (
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.model_loader.reload.layerwise import (
    finalize_layerwise_reload,
    get_layerwise_info,
    initialize_layerwise_reload,
)
from vllm.outputs import RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.llm_engine import LLMEngine

from rllib_gigpo.engines import process_guard
from rllib_gigpo.engines.base import (
    EngineSettings,
    Generation,
    GenerationRequest,
    InferenceEngine,
    Watchdog,
    allowed_tokens,
)
from rllib_gigpo.engines.stop_tokens import stop_token_ids
from rllib_gigpo.engines.vllm_settings import WEIGHT_TRANSFER_BACKEND, engine_arguments
from rllib_gigpo.engines.weight_chunks import SharedChunk, chunked, read_shared_chunk
from rllib_gigpo.engines.weights import (
    NamedTensors,
    WeightsChecksum,
    checked,
    checkpoint_shapes,
    checkpoint_tensors,
    has_tied_head,
    weights_checksum,
    with_tied_head,
)
from rllib_gigpo.errors import EngineError

_FIRST_VERSION = 0


def register_plugins() -> None:
    """Make the weight transfer backend known to vLLM in this process.

    The entry point of group ``vllm.general_plugins``: vLLM calls it in each of its processes.
    """
    # A second registration of a name raises; vLLM offers no query besides the registry itself.
    if WEIGHT_TRANSFER_BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(WEIGHT_TRANSFER_BACKEND, HandedOverWeights)


@dataclass
class _InitInfo(WeightTransferInitInfo):
    """What the receiving end has to know; there is no rendezvous."""

    is_tied: bool
    checksum_weights: bool


@dataclass
class _Chunk(WeightTransferUpdateInfo):
    """Tensors themselves (same process), or a description of shared memory (another process)."""

    tensors: list[tuple[str, torch.Tensor]] | None = None
    shared: dict[str, Any] | None = None


class HandedOverWeights(WeightTransferEngine[_InitInfo, _Chunk]):
    """vLLM's receiving end: checkpoint tensors, handed over chunk by chunk."""

    init_info_cls = _InitInfo
    update_info_cls = _Chunk
    supports_draft_weight_update = False

    def init_transfer_engine(self, init_info: _InitInfo) -> None:
        """Remember the settings."""
        self._init_info = init_info

    def start_weight_update(self) -> None:
        """Give every layer its checkpoint layout back (CPU layers are repacked after loading)."""
        self._checksum = WeightsChecksum(is_tied=self._init_info.is_tied)
        initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: _Chunk) -> None:
        """Load one chunk."""
        pairs = update_info.tensors or []
        if update_info.shared is not None:
            pairs = read_shared_chunk(update_info.shared, self.device)
        if self._init_info.checksum_weights:
            for name, tensor in pairs:
                self._checksum.add(name, tensor)
        self.model.load_weights(pairs)

    def finish_weight_update(self) -> None:
        """Repack the layers."""
        finalize_layerwise_reload(self.model, self.model_config)

    def abandon(self) -> None:
        """Forget a half-received update: without this the next one would mix with its rest."""
        for layer in self.model.modules():
            info = get_layerwise_info(layer)
            info.loaded_weights.clear()
            info.load_numel = 0
        finalize_layerwise_reload(self.model, self.model_config)
        self.reset_weight_update_target()

    def received_checksum(self) -> str:
        """Return the checksum of the tensors of the last update, as they arrived here.

        Not of vLLM's parameters: those are fused (q, k and v; gate and up), padded and repacked, so
        that no sum over them can be compared with the Learner's.
        """
        return self._checksum.hexdigest()

    def shutdown(self) -> None:
        """Nothing to release."""


class WorkerExtension:
    """Methods added to vLLM's workers, callable by name from any process."""

    def abandon_weight_update(self: Any) -> None:
        """Close a weight update that failed (vLLM 0.32 keeps it open, and refuses the next)."""
        with set_current_vllm_config(self.vllm_config):
            self.weight_transfer_engine.abandon()
        self._weight_update_active = False

    def received_weights_checksum(self: Any) -> str:
        """Return the checksum of what the last update brought."""
        return self.weight_transfer_engine.received_checksum()


class VllmEngine(InferenceEngine):
    """Continuous batching by vLLM's ``LLMEngine``."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self._llm: LLMEngine | None = None
        self._in_process = not torch.cuda.is_available()
        self._arguments = engine_arguments(settings, on_gpu=not self._in_process)
        self._unfinished: set[str] = set()
        self._asleep: list[str] = []
        self._weight_version = _FIRST_VERSION
        self._has_whole_weights = True
        self._was_updated = False
        self._random_stream = process_guard.RandomStream(settings.seed)
        self._watchdog = Watchdog(settings.timeout_s)

    # Life ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """See the base class."""
        if self._llm is not None:
            raise EngineError("The engine is running already: stop() it before another start().")
        model_path = self.settings.model_path
        self._stop_token_ids = stop_token_ids(model_path)
        self._shapes = checkpoint_shapes(model_path)
        self._is_tied = has_tied_head(model_path)
        register_plugins()
        with self._engine_errors(f"The vLLM engine did not start with the model {model_path!r}"):
            self._llm = self._build()
            init_info = {
                "is_tied": self._is_tied,
                "checksum_weights": self.settings.checksum_weights,
            }
            self._rpc("init_weight_transfer_engine", init_info=init_info)
            self._llm.set_weight_version(str(_FIRST_VERSION))

    def _build(self) -> LLMEngine:
        variables = {
            # vLLM reads these when it builds the engine. A process of its own must be able to say
            # why it died; in process the exception says it, and vLLM would log the whole batch.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if self._in_process else "1",
            "VLLM_LOGGING_LEVEL": os.environ.get(
                "VLLM_LOGGING_LEVEL", "CRITICAL" if self._in_process else "ERROR"
            ),
        }
        with ExitStack() as stack:
            stack.enter_context(process_guard.environment(variables))
            if self._in_process:
                stack.enter_context(process_guard.unchanged_random_state())
                stack.enter_context(process_guard.unchanged_threads())
                stack.enter_context(_private_process_groups())
            return LLMEngine.from_engine_args(EngineArgs(**self._arguments))

    def stop(self) -> None:
        """See the base class."""
        llm, self._llm = self._llm, None
        self._unfinished.clear()
        if llm is None:
            return
        with _kept_process_groups():
            llm.engine_core.shutdown()
        del llm
        gc.collect()

    # Generation ----------------------------------------------------------------------------------

    @property
    def num_unfinished(self) -> int:
        """See the base class."""
        return len(self._unfinished)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """See the base class."""
        llm = self._running()
        if not self._has_whole_weights:
            raise EngineError(
                "The last weight update failed half-way, so the engine's weights are not usable: "
                "call load_weights() with a complete set."
            )
        if not self._unfinished:
            self._watchdog.progressed()
        for request in requests:
            if request.request_id in self._unfinished:
                raise ValueError(f"Request id {request.request_id!r} is in use: choose another.")
            prompt = {"prompt_token_ids": list(request.prompt_token_ids)}
            llm.add_request(request.request_id, prompt, self._sampling_params(request))
            self._unfinished.add(request.request_id)

    def _sampling_params(self, request: GenerationRequest) -> SamplingParams:
        sampling = request.sampling
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=allowed_tokens(request, self.settings.max_model_len),
            seed=request.seed,
            stop_token_ids=self._stop_token_ids,
            logprobs=0,  # the sampled token's only
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )

    def poll(self) -> list[Generation]:
        """See the base class."""
        llm = self._running()
        if not self._unfinished:
            return []
        with self._engine_errors("The vLLM engine failed while generating"):
            outputs = self._step_here(llm) if self._in_process else self._step_elsewhere(llm)
        if outputs is not None:
            self._watchdog.progressed()
        self._watchdog.check(len(self._unfinished))
        return [self._finished(output) for output in outputs or () if output.finished]

    def _step_here(self, llm: LLMEngine) -> list[RequestOutput] | None:
        """Run the model once; None if the scheduler found nothing that it could run."""
        with (
            self._random_stream.active(),
            process_guard.num_threads(self.settings.num_threads),
            torch.compiler.set_stance("force_eager"),
        ):
            outputs = llm.step()
        if outputs:
            return outputs
        num_running, _ = llm.engine_core.engine_core.scheduler.get_request_counts()
        return outputs if num_running else None

    def _step_elsewhere(self, llm: LLMEngine) -> list[RequestOutput] | None:
        """Read what the engine's process has sent, if anything: ``step`` would wait for ever."""
        if llm.engine_core.outputs_queue.empty():
            time.sleep(0.001)
            return None
        return llm.step()

    def _finished(self, output: RequestOutput) -> Generation:
        completion = output.outputs[0]
        self._unfinished.discard(output.request_id)
        if completion.finish_reason not in ("stop", "length", "abort"):
            raise EngineError(
                f"vLLM ended request {output.request_id!r} with {completion.finish_reason!r}."
            )
        versions = np.full(len(completion.token_ids), self._weight_version, np.int64)
        for span in completion.weight_versions or ():
            versions[span.start : span.end] = int(span.version)
        return Generation(
            request_id=output.request_id,
            token_ids=list(completion.token_ids),
            logp=np.asarray(completion.logprobs.logprobs, np.float32),
            weight_version=int(versions.min(initial=self._weight_version)),
            finish_reason=completion.finish_reason,
            token_versions=versions,
        )

    def abort(self, request_ids: Sequence[str]) -> None:
        """See the base class."""
        known = [request_id for request_id in request_ids if request_id in self._unfinished]
        self._running().abort_request(known)
        self._unfinished.difference_update(known)

    # Weights -------------------------------------------------------------------------------------

    @property
    def weight_version(self) -> int:
        """See the base class."""
        return self._weight_version

    def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """See the base class."""
        llm = self._running()
        if self._unfinished:
            raise EngineError(
                f"New weights need an idle engine, {len(self._unfinished)} requests are unfinished."
            )
        self._wake(["weights"])
        with self._engine_errors(f"Weight update {version} failed"):
            self._transfer(checked(named_tensors, self._shapes, is_tied=self._is_tied))
            llm.set_weight_version(str(version))
            llm.reset_prefix_cache()
        self._weight_version = version
        self._was_updated = True

    def _transfer(self, named_tensors: NamedTensors) -> None:
        stream = with_tied_head(named_tensors) if self._is_tied else named_tensors
        chunks = chunked(stream)
        chunk = next(chunks, None)  # a bad first chunk is found before anything is touched
        self._rpc("start_weight_update")
        self._has_whole_weights = False
        try:
            while chunk is not None:
                self._hand_over(chunk)
                chunk = next(chunks, None)
            self._rpc("finish_weight_update")
        except BaseException:
            self._rpc("abandon_weight_update")
            raise
        self._has_whole_weights = True

    def _hand_over(self, chunk: list[tuple[str, torch.Tensor]]) -> None:
        if self._in_process:
            self._rpc("update_weights", update_info={"tensors": chunk})
            return
        with SharedChunk(chunk) as shared:
            self._rpc("update_weights", update_info={"shared": shared.description})

    def weights_checksum(self) -> str:
        """See the base class: of the checkpoint's files, then of what each update brought.

        With tensor parallelism every worker receives everything, so all must agree.

        Raises:
            EngineError: If ``checksum_weights`` is off, an update failed, or workers disagree.
        """
        if not (self.settings.checksum_weights and self._has_whole_weights):
            raise EngineError("No checksum: checksum_weights is off, or the last update failed.")
        if not self._was_updated:
            tensors = checkpoint_tensors(self.settings.model_path)
            return weights_checksum(tensors, is_tied=self._is_tied)
        checksums = set(self._rpc("received_weights_checksum"))
        if len(checksums) > 1:
            raise EngineError(f"The engine's workers received different weights: {checksums}.")
        return checksums.pop()

    # Sleep ---------------------------------------------------------------------------------------

    def sleep(self) -> None:
        """See the base class."""
        llm = self._running()
        if self.settings.share_gpu and not self._in_process and not self._asleep:
            llm.sleep(level=1)
            self._asleep = ["weights", "kv_cache"]

    def wake(self) -> None:
        """See the base class."""
        self._wake(["weights", "kv_cache"])

    def _wake(self, tags: Sequence[str]) -> None:
        tags = [tag for tag in tags if tag in self._asleep]
        if tags:
            self._running().wake_up(tags)
            self._asleep = [tag for tag in self._asleep if tag not in tags]

    # Helpers -------------------------------------------------------------------------------------

    def _running(self) -> LLMEngine:
        if self._llm is None:
            raise EngineError("The engine is not running: call start() first.")
        return self._llm

    def _rpc(self, method: str, **kwargs: Any) -> list[Any]:
        return self._running().collective_rpc(method, kwargs=kwargs)

    @contextmanager
    def _engine_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(f"{what}: {type(error).__name__}: {error}") from error


@contextmanager
def _private_process_groups() -> Iterator[None]:
    """Let vLLM build its process groups of one, then take them off torch.distributed again.

    With one rank vLLM never communicates, so its group objects work on without Torch's groups,
    and the process's default group is free for a Learner.
    """
    had_group = torch.distributed.is_initialized()
    if had_group and torch.distributed.get_world_size() > 1:
        raise EngineError(
            f"This process belongs to a process group of {torch.distributed.get_world_size()} "
            "ranks; an engine cannot start inside it. Start the engine in another process."
        )
    with process_guard.default_group_hidden():
        parallel_state.destroy_model_parallel()
        parallel_state.destroy_distributed_environment()
    try:
        yield
    finally:
        for group in _vllm_groups().values():
            group.destroy()
        if not had_group and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def _kept_process_groups() -> Iterator[None]:
    """Keep what vLLM's shutdown destroys for all: other engines' groups, and the Learner's."""
    groups = _vllm_groups()
    with process_guard.default_group_hidden():
        yield
    vars(parallel_state).update(groups)


def _vllm_groups() -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(parallel_state).items()
        if isinstance(value, parallel_state.GroupCoordinator)
    }
