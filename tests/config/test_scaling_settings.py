"""Settings of sharded Learners and of differences: what is refused, each in a sentence."""

import importlib.util
import json

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.config import sections
from rllib_gigpo.models import context


@pytest.fixture
def config(tmp_path):
    """Return a valid config."""
    (tmp_path / "config.json").write_text(
        '{"model_type": "qwen2", "max_position_embeddings": 4096}'
    )
    return (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0")
        .llm(model_path=str(tmp_path), max_prompt_tokens=64, max_response_tokens=8)
    )


def mistakes(config):
    return sections.read(config)[1]


def test_shards_and_differences_are_accepted_where_there_are_processes(config):
    config.learners(num_learners=2, sharding={"name": "fsdp2", "cpu_offload": True})
    config.env_runners(num_env_runners=1).inference(weight_sync={"name": "delta"})
    assert mistakes(config) == []
    assert config.settings.learners.sharding.cpu_offload
    assert config.settings.inference.weight_sync.full_interval == 20


@pytest.mark.parametrize("num_learners", [0, 1])
def test_one_learner_has_nothing_to_share(config, num_learners):
    (mistake,) = mistakes(config.learners(num_learners=num_learners, sharding="fsdp2"))
    assert mistake.startswith("sharding='fsdp2' spreads the model over several Learners, but")
    assert f"{num_learners=}; set learners(num_learners=2) or more" in mistake


def test_differences_need_another_process(config):
    (mistake,) = mistakes(config.inference(weight_sync="delta"))
    assert "with num_env_runners=0 the weights stay in this one; set env_runners(" in mistake


def test_an_unknown_way_is_named_with_the_known_ones(config):
    (mistake,) = mistakes(config.learners(num_learners=2, sharding="zero3"))
    assert "sharding='zero3' is unknown; use one of ddp, fsdp2" in mistake


@pytest.mark.parametrize(
    ("has_torchvision", "engine"), [(False, "vllm"), (True, "vllm"), (False, "transformers")]
)
def test_a_vision_part_needs_torchvision_in_vllm(
    config, tmp_path, monkeypatch, has_torchvision, engine
):
    found = importlib.util.find_spec("json") if has_torchvision else None
    monkeypatch.setattr(context, "find_spec", lambda name: found)
    composed = {
        "model_type": "gemma3",
        "text_config": {"max_position_embeddings": 4096},
        "vision_config": {},
    }
    (tmp_path / "config.json").write_text(json.dumps(composed))
    found_mistakes = mistakes(config.inference(engine=engine))
    assert len(found_mistakes) == int(engine == "vllm" and not has_torchvision)
    for mistake in found_mistakes:
        assert "the gemma3 model in" in mistake
        assert "torchvision; install it: pip install" in mistake
