"""Four of the architectures that `make models` trains; docs/models.md has the table of all."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from architectures import CONFIGS, FILE, is_exact, save_model, trained


@pytest.mark.parametrize(
    "name",
    [
        "qwen3_moe",  # experts that transformers and vLLM lay out differently
        # capped logits; a tied head that vLLM's model does not have
        pytest.param("gemma2", marks=pytest.mark.slow),
        "smollm3",  # vLLM runs transformers' own class
        # recurrent layers; logits that the configuration scales
        pytest.param("falcon_h1", marks=pytest.mark.slow),
    ],
)
def test_the_ratio_is_one_before_and_after_an_update(ray_session, tmp_path, name):
    save_model(name, tmp_path)
    result = trained(str(tmp_path))
    assert is_exact(result), result


def test_the_recorded_results_cover_the_architectures():
    recorded = json.loads(FILE.read_text())
    assert sorted(recorded) == sorted(CONFIGS)
    assert sum(map(is_exact, recorded.values())) >= 15
