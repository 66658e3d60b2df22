"""Weight updates for a vLLM engine (vLLM 0.32) as a LoRA adapter on fixed base weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from vllm.lora.request import LoRARequest
from vllm.v1.engine.llm_engine import LLMEngine

from rllib_gigpo.engines.vllm.vllm_weights import WeightChannel
from rllib_gigpo.errors import EngineError
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.weights.checksum import NamedTensors, weights_checksum

_NAME, _ID = "policy", 1
_FILE = "adapter_model.safetensors"


class HotAdapter(WeightChannel):
    """Channel that sends only the adapter in each update, as files that vLLM loads.

    The files are in shared memory if there is any, so every worker of this machine can read them.
    Until the first update, requests run on the base weights, to which a new adapter (B = 0) adds
    nothing.
    """

    def __init__(self, llm: LLMEngine, settings: LoraSettings, *, checksum_weights: bool) -> None:
        """Open the channel to a running engine."""
        self._llm = llm
        self._settings = settings
        self._checksum_weights = checksum_weights
        self._names: set[str] = set()
        self._checksum = ""
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="rllib_gigpo_adapter_", dir=memory))

    def load(self, named_tensors: NamedTensors) -> None:
        """Write the adapter in peft's format and let vLLM load it."""
        tensors = {name: tensor.detach().contiguous() for name, tensor in named_tensors}
        self._check(tensors)
        save_file(tensors, self._folder / _FILE, metadata={"format": "pt"})
        (self._folder / "adapter_config.json").write_text(json.dumps(self._config(tensors)))
        self.is_whole = False
        request = LoRARequest(_NAME, _ID, str(self._folder), load_inplace=True)
        if not self._llm.add_lora(request):
            raise EngineError("vLLM did not load the adapter.")
        # Requests name the adapter; with `load_inplace`, each request would load it again.
        self.lora_request = LoRARequest(_NAME, _ID, str(self._folder))
        self._names = set(tensors)
        if self._checksum_weights:
            self._checksum = weights_checksum(load_file(self._folder / _FILE).items())
        self.is_whole = True

    def _check(self, tensors: dict[str, torch.Tensor]) -> None:
        """Check that the adapter is complete: vLLM would silently treat missing tensors as 0."""
        twins = {"lora_A": "lora_B", "lora_B": "lora_A"}
        for name in tensors:
            kind = name.removesuffix(".weight").rpartition(".")[2]
            if kind not in twins:
                raise EngineError(
                    f"The weight update has {name!r}, which is not part of an adapter: send only"
                    " the adapter's tensors."
                )
            if name.replace(kind, twins[kind]) not in tensors:
                raise EngineError(f"The weight update has {name!r} without its {twins[kind]}.")
        missing = sorted(self._names - set(tensors))
        if missing or not tensors:
            raise EngineError(
                f"The weight update lacks {len(missing)} tensors of the adapter ({missing[:3]}"
                " ...): send every tensor of the adapter in each update."
            )

    def _config(self, tensors: dict[str, torch.Tensor]) -> dict[str, object]:
        layers = {name.split(".lora_")[0].rpartition(".")[2] for name in tensors}
        return {
            "peft_type": "LORA",
            "r": self._settings.rank,
            "lora_alpha": self._settings.alpha,
            "target_modules": sorted(layers),
            "bias": "none",
        }

    def received_checksums(self) -> list[str]:
        """Return the checksum of the files; vLLM's own tensors are fused and scaled."""
        return [self._checksum]

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)
