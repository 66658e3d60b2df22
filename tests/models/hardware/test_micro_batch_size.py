"""The size of a micro-batch by the free memory, and the memory of a pass."""

from pathlib import Path

import psutil
import pytest
import torch

from rllib_gigpo.models.hardware.free_memory import free_bytes
from rllib_gigpo.models.hardware.micro_batch_size import (
    SHARE,
    largest_that_fits,
    resolve_micro_batch_tokens,
)
from rllib_gigpo.models.hardware.pass_memory import ModelShape, PassMemory, shape_if_known

CPU, GIB = torch.device("cpu"), 2**30
SMOL = ModelShape(134_515_008, 30, 576, 1536, 9, 3, 64, 49_152)  # SmolLM2-135M
TINY = ModelShape(300_000, 2, 96, 384, 3, 3, 32, 1024)


def pass_of(shape, **changes):
    settings = {"weights": "float32", "autocast": None, "gradient_checkpointing": False}
    settings |= {"chunk_tokens": 1024, "is_on_cpu": True, "has_trees": True}
    return PassMemory(shape=shape, **{**settings, **changes})


@pytest.mark.parametrize(
    ("room", "expected"),
    [(0, 256), (256, 256), (511, 256), (512, 512), (16_383, 8192), (16_384, 16_384), (1e9, 16_384)],
)
def test_the_largest_power_of_two_that_fits(room, expected):
    assert largest_that_fits(lambda tokens: tokens, room) == expected


def choose(shape, free, **changes):
    keywords = {"device": CPU, "free": lambda: free, **changes}
    return resolve_micro_batch_tokens("auto", pass_of(shape, autocast="bfloat16"), **keywords)


def test_a_pass_takes_a_share_of_what_is_left_after_gradients_and_moments():
    need = pass_of(SMOL, autocast="bfloat16").total(2048)
    assert choose(SMOL, need / SHARE) == 2048
    assert choose(SMOL, need / SHARE - 100) == 1024
    assert choose(SMOL, need / SHARE + GIB - 100, to_come=GIB) == 1024
    assert choose(SMOL, 2 * need / SHARE, num_processes=2) == 2048
    assert choose(SMOL, -GIB) == 256


def test_small_changes_of_the_free_memory_change_nothing():
    assert len({choose(SMOL, 16 * GIB + change * 2**20) for change in range(-200, 200, 10)}) == 1


def test_a_tiny_model_gets_the_largest_size():
    memory = pass_of(TINY)
    sizes = [
        resolve_micro_batch_tokens("auto", memory, device=CPU, free=lambda gib=gib: gib * GIB)
        for gib in (4.1, 23, 100)
    ]
    assert sizes == [16_384] * 3


def test_a_number_and_a_gpu_do_not_ask_for_the_free_memory():
    assert resolve_micro_batch_tokens(700, None, device=CPU, free=None) == 700
    gpu = torch.device("cuda")
    assert resolve_micro_batch_tokens("auto", pass_of(SMOL), device=gpu, free=None) == 16_384
    assert resolve_micro_batch_tokens("auto", None, device=CPU, free=None) == 1024


# Peak of the process above weights and gradients, GiB, measured in a process each: SmolLM2-135M's
# shape, one eighth of the tokens scored (in the last line nearly all), torch 2.13 on a CPU.
@pytest.mark.parametrize(
    ("tokens", "scored", "autocast", "rows", "tree"),
    [
        (512, 64, None, 1.18, 1.19),
        (1024, 128, None, 1.98, 2.07),
        (2048, 256, None, 3.35, 3.55),
        (512, 64, "bfloat16", 1.01, 1.07),
        (1024, 128, "bfloat16", 1.53, 1.66),
        (2048, 256, "bfloat16", 2.58, 2.87),
        (1024, 1000, None, 2.26, None),
        (1024, 1000, "bfloat16", 2.07, None),
    ],
)
def test_the_estimate_is_near_what_was_measured(tokens, scored, autocast, rows, tree):
    memory = pass_of(SMOL, autocast=autocast, chunk_tokens=scored)
    copy = 0 if autocast is None else SMOL.num_parameters * 2
    estimate = (memory.total(tokens) + copy) / GIB
    for measured in (rows, tree or rows):
        assert 0.95 * measured < estimate < 1.3 * measured


def test_a_model_without_the_usual_sizes_has_no_shape():
    assert shape_if_known(object(), 7) is None


# ---------------------------------------------------------------- free memory


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


@pytest.fixture
def machine(monkeypatch):
    class Memory:
        available = 10 * GIB

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory)


def test_without_a_limit_the_machine_counts(machine, tmp_path):
    (tmp_path / "own").write_text("0::/job\n")
    write(tmp_path / "job", memory__max="max", memory__current=GIB)
    assert free_bytes(own=tmp_path / "own", root=tmp_path) == 10 * GIB
    assert free_bytes(own=tmp_path / "none", root=tmp_path) == 10 * GIB


def test_the_nearest_limit_of_all_groups_counts_without_the_page_cache(machine, tmp_path):
    (tmp_path / "own").write_text("0::/job/step\n")
    write(tmp_path / "job", memory__max=4 * GIB, memory__current=3 * GIB)
    write(tmp_path / "job/step", memory__max=9 * GIB, memory__current=GIB)
    (tmp_path / "job/memory.stat").write_text(f"anon 5\ninactive_file {GIB // 2}\n")
    assert free_bytes(own=tmp_path / "own", root=tmp_path) == 3 * GIB // 2


def test_old_control_groups_count_too(machine, tmp_path):
    (tmp_path / "own").write_text("5:cpu:/\n4:memory:/box\n")
    write(
        tmp_path / "memory/box",
        memory__limit_in_bytes=2 * GIB,
        memory__usage_in_bytes=GIB,
    )
    assert free_bytes(own=tmp_path / "own", root=tmp_path) == GIB
