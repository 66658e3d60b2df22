"""An engine without a model: benchmarks of everything around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest, InferenceEngine
from rllib_gigpo.models.tokenizer import load_tokenizer

IMPORT_PATH = "stub_engine:StubEngine"
ANSWERS = ("north", "south", "east", "west")


class StubEngine(InferenceEngine):
    """An engine that answers every request in one step, with a word that its seed decides."""

    def start(self) -> None:
        """Encode the answers."""
        tokenizer = load_tokenizer(self.settings.model_path)
        end = tokenizer.eos_token_id
        self._answers = [[*tokenizer.encode(word), end] for word in ANSWERS]
        self._waiting: list[GenerationRequest] = []
        self._version = 0

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Take requests."""
        self._waiting += requests

    def poll(self) -> list[Generation]:
        """Answer all requests."""
        done, self._waiting = self._waiting, []
        return [self._answer(request) for request in done]

    def _answer(self, request: GenerationRequest) -> Generation:
        ids = self._answers[(request.seed or 0) % len(self._answers)]
        return Generation(
            request_id=request.request_id,
            token_ids=ids,
            logp=np.full(len(ids), -1.0, np.float32),
            weight_version=self._version,
            finish_reason="stop",
            token_versions=np.full(len(ids), self._version),
        )

    @property
    def num_unfinished(self) -> int:
        """Number of requests that wait."""
        return len(self._waiting)

    def abort(self, request_ids: Sequence[str]) -> None:
        """Drop requests."""
        self._waiting = [one for one in self._waiting if one.request_id not in request_ids]

    def load_weights(self, named_tensors: Any, version: int) -> None:
        """Read the tensors, and keep the version."""
        for _ in named_tensors:
            pass
        self._version = version

    @property
    def weight_version(self) -> int:
        """The version of the last weights."""
        return self._version

    def weights_checksum(self) -> str:
        """Return nothing: no weights are kept."""
        return ""

    def sleep(self) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
