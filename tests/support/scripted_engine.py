"""A scripted engine with the real interface: a function of the prompt gives each answer."""

from collections import deque

import numpy as np

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.inference_engine import EngineSettings, Generation, InferenceEngine


class ScriptedEngine(InferenceEngine):
    """An engine that runs ``max_running`` prompts at a time, each for ``delay(prompt)`` polls."""

    def __init__(self, tokenizer, answer, *, delay=lambda prompt: 1):
        super().__init__(EngineSettings(model_path="none", max_model_len=10_000))
        self.tokenizer = tokenizer
        self.answer, self.delay = answer, delay
        self.running = deque()
        self.requests = []
        self.batch_sizes = []
        self.aborted = []
        self.version = 0
        self.num_answers = 0

    def start(self):
        pass

    def submit(self, requests):
        for request in requests:
            prompt = self.tokenizer.decode(list(request.prompt_token_ids))
            self.requests.append((request, prompt))
            self.running.append([self.delay(prompt), request, prompt])

    def poll(self):
        self.batch_sizes.append(len(self.running))
        for entry in self.running:
            entry[0] -= 1
        done = [entry for entry in self.running if entry[0] <= 0]
        self.running = deque(entry for entry in self.running if entry[0] > 0)
        return [self._generation(request, prompt) for _, request, prompt in done]

    def _generation(self, request, prompt):
        ids = [*self.tokenizer.encode(self.answer(prompt)), self.tokenizer.eos_token_id]
        return Generation(
            request_id=request.request_id,
            token_ids=ids,
            logp=np.full(len(ids), -0.5, np.float32),
            weight_version=self.version,
            finish_reason="stop",
            token_versions=np.full(len(ids), self.version),
            uncertainty=self._uncertainty(len(ids)) if request.with_uncertainty else None,
        )

    def _uncertainty(self, num_tokens):
        """Return entropies that rise from answer to answer."""
        self.num_answers += 1
        return TokenUncertainty(
            entropy=np.full(num_tokens, self.num_answers, np.float32),
            top_logp=np.zeros((num_tokens, 2), np.float32),
            vocab_size=4,
        )

    @property
    def num_unfinished(self):
        return len(self.running)

    def abort(self, request_ids):
        self.aborted += request_ids
        self.running = deque(e for e in self.running if e[1].request_id not in request_ids)

    def load_weights(self, named_tensors, version):
        self.version = version

    @property
    def weight_version(self):
        return self.version

    def weights_checksum(self):
        return str(self.version)

    def sleep(self):
        pass

    def wake(self):
        pass

    def stop(self):
        pass
