"""The exact engine with one fault, which the processes of a run can import."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from rllib_gigpo.engines.transformers_engine import TransformersEngine
from rllib_gigpo.errors import EngineError

ENGINE = "faults.distributed.faulty_engine:FaultyEngine"


class FaultyEngine(TransformersEngine):
    """An engine with a ``fault`` that happens once, in the engine that first makes ``file``.

    The fault "loses" drops a request, and "fails" raises, with requests under way; "dies" kills the
    process while it loads the weights of version ``at``. "slow" takes three seconds to load that
    version, in every engine.
    """

    def __init__(self, settings):
        super().__init__(replace(settings, engine_kwargs={}))
        self.plan = dict(settings.engine_kwargs)

    def poll(self):
        if self.weight_version >= self.plan["at"] and len(self._sequences) > 1:
            if self.plan["fault"] == "loses" and self._is_first():
                self._sequences.popitem()
            elif self.plan["fault"] == "fails" and self._is_first():
                raise EngineError("the engine failed in mid-batch")
        return super().poll()

    def load_weights(self, named_tensors, version):
        if version == self.plan["at"]:
            if self.plan["fault"] == "dies" and self._is_first():
                os.kill(os.getpid(), signal.SIGKILL)
            if self.plan["fault"] == "slow":
                self._is_first()
                time.sleep(3)
        super().load_weights(named_tensors, version)

    def _is_first(self):
        try:
            Path(self.plan["file"]).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
