"""The warm start end to end: its result, its cache, and when it fits a new model."""

import json
import threading
from dataclasses import replace

import pytest
import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer
from rllib_gigpo.prompting import PromptInputs, PromptRenderer, PromptTemplate
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitProgress,
    FitSettings,
    PlayProgress,
    PromptSettings,
    TinyModelSettings,
    print_progress,
    read_report,
    warm_start,
)
from rllib_gigpo.warm_start.cache import _plain, cache_key, cached_folder


def quick(settings):
    return replace(settings, seeds=(1, 2), fit=replace(settings.fit, num_epochs=1))


def answer(folder, observation):
    """Return the model's greedy response to an observation of the signs."""
    tokenizer, model = load_tokenizer(folder), load_causal_lm(folder).eval()
    renderer = PromptRenderer(
        tokenizer,
        PromptTemplate.from_name_or_source("compact"),
        max_prompt_tokens=512,
        action_tag=None,
        think_tag=None,
    )
    prompt = renderer.render(
        PromptInputs(observation, "Follow the signs.", ("go left", "go right"))
    )
    ids = torch.tensor([prompt.token_ids])
    output = model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert output[-1] == tokenizer.eos_token_id
    return tokenizer.decode(output, skip_special_tokens=True)


def test_a_tiny_model_learns_the_expert_s_answers(settings, signs_env, tmp_path):
    folder = warm_start(settings, cache_dir=tmp_path)
    report = read_report(folder)
    assert report.num_demonstrations == 32 * 4
    assert report.token_accuracies[-1] > 0.97
    assert report.losses[-1] < 0.2 < report.losses[0]
    assert answer(folder, "The sign says: left.") == "go left"
    assert answer(folder, "The sign says: right.") == "go right"
    assert set(signs_env.seeds_of_resets) == set(settings.seeds)
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "warm_start.json"} <= names


def test_the_second_call_finds_the_first_one_s_folder(settings, signs_env, tmp_path):
    told = []
    first = warm_start(quick(settings), cache_dir=tmp_path, progress=told.append)
    assert told[:3] == [PlayProgress(num_played, 2) for num_played in range(3)]
    assert (signs_env.num_made, len(told)) == (1, 4)
    assert warm_start(quick(settings), cache_dir=tmp_path, progress=told.append) == first
    assert (signs_env.num_made, len(told)) == (1, 4)
    assert read_report(first).settings["seeds"] == [1, 2]


def test_equal_settings_give_equal_weights(settings, tmp_path):
    folders = [warm_start(quick(settings), cache_dir=tmp_path / name) for name in "ab"]
    first, second = (load_causal_lm(folder).state_dict() for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "changes",
    [
        {"env": "rllib_gigpo.envs:Corridor-v0"},
        {"env_config": {"num_steps": 5}},
        {"seeds": (1, 2, 3)},
        {"seed": 1},
        {"prompting": PromptSettings(template="default")},
        {"prompting": PromptSettings(history_length=1)},
        {"prompting": PromptSettings(action_tag="action")},
        {"prompting": PromptSettings(sub_goals=True)},
        {"demonstrations": DemonstrationSettings(random_label_probability=0.1)},
        {"tiny_model": TinyModelSettings(hidden_size=64)},
        {"fit": FitSettings(lr=1e-4)},
        {"fit": FitSettings(prompt_loss_weight=1.0)},
    ],
)
def test_every_setting_changes_the_key(settings, changes):
    assert cache_key(replace(settings, **changes)) != cache_key(settings)


def test_the_default_style_leaves_the_keys_of_older_caches_as_they_are(settings):
    chat = replace(settings.prompting, style="conversation")
    assert not {"style", "sub_goals"} & _plain(settings)["prompting"].keys()
    assert cache_key(replace(settings, prompting=chat)) != cache_key(settings)


def test_the_template_s_words_change_the_key_not_only_its_name(settings, tmp_path):
    path = tmp_path / "mine.jinja"
    settings = replace(settings, prompting=PromptSettings(template=str(path)))
    path.write_text("{{ observation }}")
    before = cache_key(settings)
    path.write_text("Now: {{ observation }}")
    assert cache_key(settings) != before


def test_settings_that_are_no_json_are_an_error(settings):
    with pytest.raises(ConfigError, match="env_config"):
        cache_key(replace(settings, env_config={"callback": print}))


@pytest.fixture
def base_model(tmp_path):
    folder = tmp_path / "base"
    tokenizer = build_tokenizer(["The sign says: left. right. go left go right"] * 9, 300)
    build_model(tokenizer, hidden_size=32, num_layers=2, num_heads=2).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "LICENSE").write_text("free")
    return folder


def start_from(settings, folder):
    return replace(settings, base_model=str(folder), tiny_model=TinyModelSettings())


def test_a_base_model_keeps_its_tokenizer_and_size(settings, base_model, tmp_path):
    fit = FitSettings(num_epochs=3, lr=1e-2, batch_tokens=512)
    settings = replace(start_from(settings, base_model), fit=fit)
    folder = warm_start(settings, cache_dir=tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "LICENSE"):
        assert (folder / name).read_bytes() == (base_model / name).read_bytes()
    before, after = load_causal_lm(base_model), load_causal_lm(folder)
    assert before.num_parameters() == after.num_parameters()
    assert not torch.equal(before.model.norm.weight, after.model.norm.weight)
    report = read_report(folder)
    assert report.losses[-1] < report.losses[0]


def test_a_base_model_counts_by_its_files_not_by_its_place(settings, base_model, tmp_path):
    settings = start_from(settings, base_model)
    before = cache_key(settings)
    moved = base_model.rename(tmp_path / "moved")
    assert cache_key(replace(settings, base_model=str(moved))) == before
    (moved / "LICENSE").write_text("other")
    assert cache_key(replace(settings, base_model=str(moved))) != before


def test_a_base_model_with_a_short_context_is_an_error(settings, base_model, tmp_path):
    prompting = PromptSettings(max_prompt_tokens=1024)
    settings = replace(start_from(quick(settings), base_model), prompting=prompting)
    with pytest.raises(ConfigError, match="context of 1027 tokens, but the model has 1024"):
        warm_start(settings, cache_dir=tmp_path)
    assert not list(tmp_path.glob("*/warm_start.json"))


def test_an_unknown_base_model_is_an_error(settings, tmp_path):
    with pytest.raises(ConfigError, match="no/where' is not a folder"):
        warm_start(start_from(settings, "no/where"), cache_dir=tmp_path)


def test_output_gets_a_copy_and_is_never_overwritten_by_something_else(settings, tmp_path):
    output = tmp_path / "output"
    cached = warm_start(quick(settings), cache_dir=tmp_path)
    assert warm_start(quick(settings), output=output, cache_dir=tmp_path) == output
    names = {path.name for path in cached.iterdir()}
    assert {path.name for path in output.iterdir()} == names
    assert warm_start(quick(settings), output=output, cache_dir=tmp_path) == output
    with pytest.raises(ConfigError, match="holds something other than this"):
        warm_start(replace(quick(settings), seed=1), output=output, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, "seeds is empty"),
        (
            {"demonstrations": DemonstrationSettings(random_action_probability=1.0)},
            "random_action_probability=1.0",
        ),
        (
            {"demonstrations": DemonstrationSettings(random_label_probability=-0.5)},
            "random_label_probability=-0.5",
        ),
        (
            {"seeds": (), "demonstrations": DemonstrationSettings(episodes_per_seed=0)},
            "episodes_per_seed=0.*seeds is empty",
        ),
        ({"base_model": "a/folder"}, "tiny_model has no effect"),
        ({"fit": FitSettings(prompt_loss_weight=-1.0)}, "prompt_loss_weight=-1.0 must be"),
        ({"fit": FitSettings(batch_tokens=0)}, "batch_tokens=0 must be at least 1"),
        (
            {"fit": FitSettings(autocast_dtype="float16")},
            "autocast_dtype='float16' is not one of 'float32', 'bfloat16', 'auto'",
        ),
        ({"demonstrations": DemonstrationSettings(num_tasks=0)}, "num_tasks=0 must be at least 1"),
    ],
)
def test_senseless_settings_are_an_error(settings, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        warm_start(replace(settings, **changes), cache_dir=tmp_path)


def test_an_interrupted_build_leaves_no_folder(tmp_path):
    def fail(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path / "key", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["key.lock"]


def test_of_many_that_want_one_folder_one_builds_it_and_the_others_wait(tmp_path):
    builds = []

    def build(folder):
        builds.append(folder)
        (folder / "part").write_text(json.dumps("whole"))

    def want():
        folder = cached_folder(tmp_path / "key", build)
        assert json.loads((folder / "part").read_text()) == "whole"

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1


def test_progress_is_printed_in_a_few_lines(capsys):
    for num_played in range(129):
        print_progress(PlayProgress(num_played, 128))
    print_progress(FitProgress(1, 5, 0.5, 0.75))

    assert capsys.readouterr().err.splitlines() == [
        "warm start: the expert plays 128 tasks, then a model is fitted (only once)",
        *(f"warm start: {done}/128 tasks played" for done in (32, 64, 96, 128)),
        "warm start: epoch 1/5  loss 0.500  token accuracy 75.0%",
    ]


def test_a_base_model_is_fitted_to_few_tasks_and_the_report_says_how(
    settings, base_model, tmp_path, signs_env
):
    settings = replace(
        start_from(settings, base_model),
        seeds=tuple(range(60)),
        fit=FitSettings(num_epochs=1, batch_tokens=512, autocast_dtype="bfloat16"),
    )
    report = read_report(warm_start(settings, cache_dir=tmp_path))
    assert report.num_demonstrations == 24 * 4
    assert set(signs_env.seeds_of_resets) == set(range(24))
    assert (report.autocast_dtype, report.micro_batch_tokens) == ("bfloat16", 16_384)


def test_the_tiny_model_plays_all_tasks_in_one_float32_pass_per_batch(settings, tmp_path):
    settings = replace(settings, fit=replace(settings.fit, num_epochs=1))
    report = read_report(warm_start(settings, cache_dir=tmp_path))
    assert report.num_demonstrations == len(settings.seeds) * 4
    assert (report.autocast_dtype, report.micro_batch_tokens) == (None, None)


def test_new_settings_change_the_key_only_if_they_are_set(settings, base_model):
    for changes in (
        {"fit": replace(settings.fit, autocast_dtype="auto")},
        {"demonstrations": replace(settings.demonstrations, num_tasks=3)},
    ):
        assert cache_key(replace(settings, **changes)) != cache_key(settings)
    of_base = start_from(settings, base_model)
    mixed = replace(of_base, fit=replace(of_base.fit, autocast_dtype="bfloat16"))
    assert cache_key(mixed) != cache_key(of_base)
