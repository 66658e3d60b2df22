from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3MoeConfig

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.training import dry_run, tiny_twin
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(["go left", "go right"], 300)
    build_model(tokenizer, hidden_size=64, num_layers=3, num_heads=4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def config_for(model_folder: Path) -> GiGPOConfig:
    return (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0")
        .llm(model_path=str(model_folder), max_prompt_tokens=100, max_response_tokens=20)
        .env_runners(num_env_runners=2, num_env_workers=1)
        .training(micro_batch_tokens=1000, kl_coeff=0.0)
    )


def test_the_estimate_counts_the_real_parameters_without_their_memory(model_folder: Path):
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    num_bytes = 4 * sum(parameter.numel() for parameter in model.parameters())

    lines = dry_run.estimate_lines(config_for(model_folder), gpu_bytes=80e9)

    weights = [line.split("weights")[1].strip() for line in lines if "weights" in line]
    assert weights == [f"{num_bytes / 1024:,.1f} KiB"] * 2
    assert any(line.startswith("each of 2 engines:") for line in lines)


def test_the_resources_are_those_that_the_algorithm_asks_for(model_folder: Path):
    (line,) = dry_run.resource_lines(config_for(model_folder))

    # The driver, and two EnvRunners with one env worker each.
    assert line.startswith("asks Ray for 5 CPU, in 5 bundles")


def test_a_tiny_run_keeps_environment_and_prompts_and_leaves_the_config_alone(model_folder: Path):
    config = config_for(model_folder)

    tiny = dry_run.tiny_config(config, Path("elsewhere"), has_gpu=True)

    assert (tiny.env, tiny.template, tiny.max_prompt_tokens) == (config.env, "default", 100)
    assert (tiny.num_env_runners, tiny.num_groups, tiny.max_response_tokens) == (0, 1, 16)
    assert tiny.model_path == "elsewhere"
    assert (config.num_env_runners, config.model_path) == (2, str(model_folder))


def test_the_penalty_of_long_answers_fits_the_shorter_answers_of_the_tiny_run(model_folder: Path):
    overlong = {"buffer_tokens": 18, "weight": 0.5}
    config = config_for(model_folder).training(penalties={"overlong": overlong, "format": 0.1})

    tiny = dry_run.tiny_config(config, model_folder, has_gpu=False)

    penalties = tiny.settings.credit.penalties
    assert (penalties.overlong.buffer_tokens, penalties.overlong.weight) == (16, 0.5)
    assert penalties.format == 0.1


def test_without_a_gpu_the_tiny_run_asks_for_none(model_folder: Path):
    config = config_for(model_folder).learners(num_learners=2, num_gpus_per_learner=1)
    config.inference(tensor_parallel_size=2, share_gpu=True)

    with_gpu = dry_run.tiny_config(config, Path("elsewhere"), has_gpu=True)
    without = dry_run.tiny_config(config, Path("elsewhere"), has_gpu=False)

    assert (with_gpu.num_gpus_per_learner, with_gpu.tensor_parallel_size) == (1, 2)
    assert (without.num_gpus_per_learner, without.tensor_parallel_size) == (0, 1)
    assert not without.share_gpu


def test_a_folder_with_a_config_only_gets_a_tokenizer_in_place(
    model_folder: Path, tmp_path: Path, capsys
):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text((model_folder / "config.json").read_text())

    tiny_twin.save_tiny_twin(bare, tmp_path / "tiny")

    tokenizer = load_tokenizer(tmp_path / "tiny")
    tiny = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny")
    assert tiny.config.vocab_size == len(tokenizer)
    assert tiny.config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.decode(tokenizer.encode("go left")) == "go left"
    assert "using a byte-level one instead" in capsys.readouterr().out


@pytest.mark.parametrize(
    "hf_config",
    [
        Qwen2Config(hidden_size=896, num_attention_heads=14, num_key_value_heads=2),
        LlamaConfig(hidden_size=512, num_attention_heads=8, vocab_size=500),
        Qwen3MoeConfig(hidden_size=512, num_experts=64, vocab_size=500),
    ],
)
def test_architectures_keep_their_class_when_shrunk(hf_config):
    wanted = type(hf_config)

    tiny_twin.shrink(hf_config)

    model = AutoModelForCausalLM.from_config(hf_config)
    assert type(model.config) is wanted
    assert model.config.num_hidden_layers == 2
    assert model.config.hidden_size == 128


def test_the_tiny_model_speaks_the_real_vocabulary(model_folder: Path, tmp_path: Path):
    tiny_twin.save_tiny_twin(str(model_folder), tmp_path)

    tiny = AutoModelForCausalLM.from_pretrained(tmp_path)
    real = AutoModelForCausalLM.from_pretrained(model_folder)
    assert tiny.config.vocab_size == real.config.vocab_size
    assert tiny.config.num_hidden_layers == 2
    assert (tmp_path / "tokenizer.json").is_file()


def test_mistakes_in_the_config_are_found_before_anything_starts(model_folder: Path):
    config = config_for(model_folder).training(group_size=1)

    with pytest.raises(ConfigError, match="group_size"):
        dry_run.dry_run(config, RunSettings())
