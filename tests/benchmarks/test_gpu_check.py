"""The check for GPUs, rehearsed on the CPU: it runs without Ray, and its counts are right."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "gpu"))
import figures
import measure
import published_shapes
import rollout_files
import update_loop

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import LayoutCosts

ROOT = Path(__file__).parents[2]
# What a bare GPU machine lacks.
ABSENT = ("ray", "pydantic", "pydantic_core", "gymnasium", "vllm", "tree", "lz4", "tensorboardX")
BARE = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
import pytest
status = pytest.main(["benchmarks/gpu", "-m", "gpu", "--rehearse", "-q", "-p", "no:cacheprovider"])
sys.argv = ["measure.py", "--rehearse", "--sizes", "135m", "--output", sys.argv[1]]
sys.path.insert(0, "benchmarks/gpu")  # as for a script
runpy.run_path("benchmarks/gpu/measure.py", run_name="__main__")
sys.exit(status)
"""


@pytest.mark.slow
def test_the_check_runs_without_ray_and_pydantic(tmp_path):
    output = tmp_path / "lines.jsonl"
    # A bare machine has no plugins of pytest either.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(output)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "needs an NVIDIA GPU" not in done.stdout
    cases = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(case["layout"], case["rollouts"]) for case in cases] == [
        (layout, rollouts)
        for layout in ("rows", "trees")
        for rollouts in (measure.LONG, measure.SHORT)
    ]
    for rows, trees in zip(cases[:2], cases[2:], strict=True):
        assert trees["computed_tokens"] < rows["computed_tokens"] == rows["row_tokens"]
        assert trees["flops"] < rows["flops"]
        # The optimiser also counts its steps.
        estimate = {name: rows["estimate"][name] for name in rows["memory"]}
        assert rows["memory"] == pytest.approx(estimate, rel=1e-3)
    assert set(measure.figure_values(cases)) == {
        f"gpu_{what}_135m{ending}" for what in ("mfu", "tree") for ending in ("", "/main_job")
    }


def test_recorded_rollouts_hold_whole_groups():
    rollouts = rollout_files.read_rollouts()
    main_job = [f"main_job/iteration_{iteration}" for iteration in (1, 11, 21, 31)]
    assert list(rollouts) == [*main_job, "alfworld/early", measure.LONG]
    for rows in rollouts.values():
        in_minibatches = np.stack([rows.group_ids, rows.minibatch_ids])
        # A group is in one mini-batch.
        assert len(np.unique(in_minibatches, axis=1).T) == len(np.unique(rows.group_ids))
    prompts = rollouts[measure.LONG].prompt_lengths
    assert (prompts.min() >= 500, prompts.max() <= 1000) == (True, True)


def test_rollouts_survive_the_file(tmp_path):
    recorded = rollout_files.read_rollouts()["main_job/iteration_31"].select(np.arange(5))
    rollout_files.write_rollouts(tmp_path / "a.npz", {"a/b": recorded})
    (again,) = rollout_files.read_rollouts(tmp_path / "a.npz").values()
    for field in dataclasses.fields(recorded):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(recorded, field.name))


# ---------------------------------------------------------------- counts


@pytest.fixture(scope="module")
def adapter():
    return published_shapes.build_adapter("1.5b", torch.device("cpu"), is_tiny=True)


def loop_of(adapter, rows, layout):
    return update_loop.UpdateLoop(adapter, rows, layout=layout, device=torch.device("cpu"))


@pytest.fixture
def two_rows():
    """Return two rows of 4 + 2 tokens that share the first 4."""
    rows = rollout_files.read_rollouts()["main_job/iteration_31"]
    return type(rows).from_rows(
        [[1, 2, 3, 4], [1, 2, 3, 4]],
        [[5, 6], [7, 8]],
        rollout_logp=[np.zeros(2)] * 2,
        advantages=np.ones(4),
        minibatch_ids=np.zeros(2, dtype=int),
        num_minibatches=1,
    )


def test_the_flops_of_an_update_are_those_of_a_count_by_hand(adapter, two_rows):
    shape = published_shapes.shape_of(adapter.model)
    # Per layer: q and o 32 x 32, k and v 32 x 16, the MLP 3 x 32 x 64.
    linear = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64)
    layouts = {
        # tokens, pairs, predictions: two rows of 6 tokens
        PaddedRows(LayoutCosts(), max_tokens=64): (12, 2 * 21, 4),
        # A trunk of 4 tokens and a branch of one each; the last tokens predict nothing.
        PrefixTrees(LayoutCosts(), TreeLimits(64, rounded_to=(16,)), max_tokens=64): (6, 20, 4),
    }
    for layout, (num_tokens, num_pairs, num_predictions) in layouts.items():
        data = loop_of(adapter, two_rows, layout).data
        assert published_shapes.update_flops(shape, data, two_rows.row_lengths) == (
            6 * linear * num_tokens + 12 * 2 * 32 * num_pairs + 6 * 32 * 1024 * num_predictions
        )


@pytest.mark.parametrize(
    ("size", "num_parameters"),
    [("135m", 134_515_008), ("0.5b", 494_032_768), ("1.5b", 1_543_714_304)],
)
def test_models_have_their_published_sizes(size, num_parameters):
    model = published_shapes.build_adapter(size, torch.device("meta")).model
    assert published_shapes.shape_of(model).num_parameters == num_parameters


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_the_peak_is_that_of_the_card(name, tflops):
    assert published_shapes.peak_flops(name) == (tflops and tflops * 1e12)


# ---------------------------------------------------------------- what does not fit


def plan(*, budget_s=1000.0):
    args = ["--rehearse", "--budget-s", str(budget_s)]
    return measure.make_plan(measure._parser().parse_args(args))


def test_micro_batches_are_halved_until_they_fit(adapter, two_rows, monkeypatch, capsys):
    tried = []

    def fake(plan, adapter, rows, *, layout, max_tokens):
        tried.append(max_tokens)
        if max_tokens > 3000:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return {"update_s": 1.0}

    monkeypatch.setattr(measure, "_measure", fake)
    found = measure.measure_case(plan(), "1.5b", adapter, two_rows, layout="rows")
    assert (tried, found) == ([8192, 4096, 2048], {"update_s": 1.0})
    assert "of 8,192 positions do not fit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "num_tries"),
    [(torch.OutOfMemoryError("CUDA out of memory."), 4), (ConfigError("no trees"), 1)],
    ids=["memory", "layout"],
)
def test_a_case_that_cannot_run_fails_with_the_reason(
    adapter, two_rows, monkeypatch, error, num_tries
):
    tried = []

    def fake(*args, **kwargs):
        tried.append(kwargs)
        raise error

    monkeypatch.setattr(measure, "_measure", fake)
    found = measure.measure_case(plan(), "1.5b", adapter, two_rows, layout="rows")
    assert found == {"failed": f"{type(error).__name__}: {error}"}
    assert len(tried) == num_tries


def test_a_failure_ends_the_command_with_an_error(tmp_path, monkeypatch):
    failed = {"size": "135m", "layout": "rows", "rollouts": measure.LONG, "failed": "why"}
    monkeypatch.setattr(measure, "measure", lambda plan, sizes: [failed])
    output = tmp_path / "lines.jsonl"
    monkeypatch.setattr(sys, "argv", ["measure.py", "--rehearse", "--output", str(output)])
    with pytest.raises(SystemExit) as status:
        measure.main()
    assert status.value.code == 1
    assert json.loads(output.read_text()) == failed


def test_what_is_over_the_budget_is_skipped_and_says_so():
    late = dataclasses.replace(plan(budget_s=1.0), is_rehearsal=False)
    lines = list(measure.measure(late, ["135m"]))
    assert len(lines) == 4
    assert all("of the budget are left" in line["skipped"] for line in lines)
    assert "skipped: " in measure.sentence(lines[0])
    assert measure.figure_values(lines) == {}


def case(device, **values):
    """Return the line of a case on the long rollouts."""
    head = {"size": "1.5b", "layout": "rows", "rollouts": measure.LONG, "device": device}
    memory = {"memory": {"peak": 30}, "estimate": {"peak": 20}}
    return {**head, **memory, "update_s": 1.0, "mfu": 0.41, "tokens_per_s": 100.0, **values}


def test_figures_are_taken_over_with_the_name_of_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FILE", tmp_path / "figures.json")
    trees = case("NVIDIA H100", layout="trees", tokens_per_s=180.0, compile_s=40.0)
    lines = [case("NVIDIA H100"), trees, {"size": "135m", "skipped": "no time"}]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    measure.write_figures_of(tmp_path / "lines.jsonl")
    found = figures.read_figures()
    assert {(line["issue"], line["cpu"]) for line in found} == {(14, "NVIDIA H100")}
    assert {line["name"]: (line["value"], line["target"]) for line in found} == {
        "gpu_mfu_1.5b": (0.41, ">= 0.40"),
        "gpu_tree_1.5b": (1.8, None),
        "gpu_memory_ratio_1.5b": (1.5, None),
        "gpu_compile_s": (40.0, None),
    }


def test_figures_of_a_rehearsal_are_not_taken_over(tmp_path):
    (tmp_path / "lines.jsonl").write_text(json.dumps(case(plan().device_name)))
    with pytest.raises(SystemExit, match="no figures of a GPU"):
        measure.write_figures_of(tmp_path / "lines.jsonl")
