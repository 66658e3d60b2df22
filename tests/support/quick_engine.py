"""An engine without a model, for tests in which the tokens do not matter."""

import numpy as np

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.inference_engine import Generation, InferenceEngine
from rllib_gigpo.models.tokenizer import load_tokenizer


def certain(num_tokens):
    """Return the uncertainty of tokens with p1 = 0.75 and p2 = 0.25 of a vocabulary of 4."""
    entropy = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    return TokenUncertainty(
        entropy=np.full(num_tokens, entropy, np.float32),
        top_logp=np.tile(np.log([0.75, 0.25]).astype(np.float32), (num_tokens, 1)),
        vocab_size=4,
    )


class QuickEngine(InferenceEngine):
    """An engine that answers "go left" or "go right" by the seed, and records its calls."""

    texts = ("go left", "go right")

    def start(self):
        tokenizer = load_tokenizer(self.settings.model_path)
        self.answers = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in self.texts]
        self.waiting, self.requests, self.calls = [], [], []
        self.version = 0

    def submit(self, requests):
        self.calls.append("submit")
        self.requests += requests
        self.waiting += requests

    def poll(self):
        done, self.waiting = self.waiting, []
        return [self._generation(request) for request in done]

    def _generation(self, request):
        ids = self.answers[request.seed % len(self.answers)]
        return Generation(
            request_id=request.request_id,
            token_ids=ids,
            logp=np.full(len(ids), -1.0, np.float32),
            weight_version=self.version,
            finish_reason="stop",
            token_versions=np.full(len(ids), self.version),
            uncertainty=certain(len(ids)) if request.with_uncertainty else None,
        )

    @property
    def num_unfinished(self):
        return len(self.waiting)

    def abort(self, request_ids):
        self.waiting = [one for one in self.waiting if one.request_id not in request_ids]

    def load_weights(self, named_tensors, version):
        for _ in named_tensors:
            pass
        self.calls.append(f"load {version}")
        self.version = version

    @property
    def weight_version(self):
        return self.version

    def weights_checksum(self):
        return ""

    def sleep(self):
        self.calls.append("sleep")

    def wake(self):
        self.calls.append("wake")

    def stop(self):
        pass


def in_blocks(word, action):
    """Return an answer that keeps or switches to the sub-goal of an action, and takes it."""
    return f"<switch>{word}</switch><subgoal>always {action}</subgoal><action>{action}</action>"


class QuickSubGoalEngine(QuickEngine):
    """An engine that answers with sub-goals, keeps or switches them, or forgets the blocks."""

    texts = (
        in_blocks("SWITCH", "go left"),
        in_blocks("KEEP", "go left"),
        in_blocks("SWITCH", "go right"),
        in_blocks("KEEP", "go right"),
        "<action>go right</action>",
    )
