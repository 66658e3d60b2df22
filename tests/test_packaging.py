"""Packaging: the installed files, the imports between parts, and the cost of an import."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import structure

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rllib_gigpo"
HEAVY = ("ray", "torch", "vllm", "transformers", "textworld", "matplotlib", "rich", "pydantic")

# Part of the package -> its layer; a part imports only its own layer and those below.
LAYERS = {
    **dict.fromkeys(["", "errors", "installation", "columns", "options"], 0),
    **dict.fromkeys(["torchvision_on_cpu"], 0),
    **dict.fromkeys(["lazy_torch", "ray_advice"], 0),
    **dict.fromkeys(["config.presets", "reports.results", "reports.plots"], 0),
    **dict.fromkeys(["viewer"], 1),
    **dict.fromkeys(["batch", "credit", "layout", "loss", "prompting", "envs", "weights"], 1),
    **dict.fromkeys(["group_plans"], 1),
    **dict.fromkeys(["checkpoints", "media", "panels.panel", "panels.played_task"], 1),
    **dict.fromkeys(["panels.task_start"], 1),
    **dict.fromkeys(["models", "engines"], 2),
    **dict.fromkeys(
        ["sampling", "env_runner", "connectors", "rl_modules", "learner", "agent_programs"], 3
    ),
    **dict.fromkeys(["panels"], 3),
    **dict.fromkeys(
        [
            "warm_start",
            "resources",
            "weights.weight_sync",
            "weights.in_flight_sync",
            "weights.delivery",
            "weights.kept_weights",
            "weights.transfers",
            "reports.transcripts",
            "reports.transcript_settings",
            "reports.token_texts",
            "reports.observed_image",
        ],
        3,
    ),
    **dict.fromkeys(["config", "gigpo", "recipes", "reports", "whole_checkpoints"], 4),
    **dict.fromkeys(["checkpoints.run_description", "checkpoints.checkpoint_writer"], 4),
    **dict.fromkeys(["cli"], 5),
}
# Part of the package -> top-level packages that it must never import. The maths and the models also
# run on a GPU machine that has torch and transformers, but neither Ray nor pydantic.
FORBIDDEN = {
    "checkpoints": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "batch": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "media": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "group_plans": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "credit": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "layout": {"ray", "vllm", "transformers", "pydantic"},
    "loss": {"ray", "vllm", "transformers", "pydantic"},
    "prompting": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "weights": {"ray", "vllm", "transformers", "pydantic"},
    "weights.weight_sync": {"vllm", "transformers", "pydantic"},
    "weights.in_flight_sync": {"vllm", "transformers", "pydantic"},
    "weights.delivery": {"vllm", "transformers", "pydantic"},
    "weights.kept_weights": {"vllm", "transformers", "pydantic"},
    "weights.transfers": {"vllm", "transformers", "torch", "pydantic"},
    "models": {"ray", "vllm", "pydantic"},
    "engines": {"ray", "pydantic"},
    "warm_start": {"ray", "vllm", "pydantic"},
    "options": {"ray", "vllm", "transformers", "torch"},
    "viewer": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "reports.results": {"ray", "vllm", "transformers", "torch", "pydantic"},
    "reports.plots": {"ray", "vllm", "transformers", "torch", "pydantic"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, file) of every module; modules of `envs` have their installed names."""
    for name, file in structure.module_files(ROOT).items():
        yield (f"{name}.__init__" if file.stem == "__init__" else name), file


def imports(name: str, file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports at run time, with relative ones resolved."""
    return structure.imported_names(name.removesuffix(".__init__"), file)


def part_of(name: str) -> str:
    """Return the longest key of LAYERS that contains a dotted name; "" for the package itself."""
    parts = name.removesuffix(".__init__").split(".")[1:]
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((part for part in known if part in LAYERS), "")


def heavy_modules_after(code: str) -> list[str]:
    script = (
        f"import json, sys\n{code}\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def test_every_part_of_the_package_has_a_layer():
    lost = [name for name, _ in modules() if not part_of(name)]
    assert lost == ["rllib_gigpo.__init__"]


def test_imports_point_downwards():
    upward = [
        f"{name} imports {target}"
        for name, file in modules()
        for target in imports(name, file)
        if target.startswith("rllib_gigpo") and LAYERS[part_of(target)] > LAYERS[part_of(name)]
    ]
    assert upward == []


def test_the_lower_layers_import_no_heavy_package():
    wrong = [
        f"{name} imports {target}"
        for name, file in modules()
        for target in imports(name, file)
        if target.split(".")[0] in FORBIDDEN.get(part_of(name), set())
    ]
    assert wrong == []


def test_environments_import_nothing_of_the_package_but_themselves():
    outside = {"ray", "torch", "vllm", "transformers", "envs"}
    wrong = [
        f"{name} imports {target}"
        for name, file in modules()
        if part_of(name) == "envs"
        for target in imports(name, file)
        if target.split(".")[0] in outside
        or (target.startswith("rllib_gigpo") and part_of(target) != "envs")
    ]
    assert wrong == []


def test_vllm_is_imported_by_its_engine_only():
    importing = {
        name
        for name, file in modules()
        for target in imports(name, file)
        if target.split(".")[0] == "vllm"
    }
    assert importing == {
        f"rllib_gigpo.engines.vllm.vllm_{name}" for name in ("engine", "images", "weights", "lora")
    }


@pytest.mark.parametrize(
    "code",
    [
        "import rllib_gigpo",
        "import rllib_gigpo.envs",
        "import rllib_gigpo.credit.rules, rllib_gigpo.reports.results, rllib_gigpo.config.presets",
        "from rllib_gigpo.cli.main import build_parser; build_parser().format_help()",
    ],
)
def test_importing_it_loads_nothing_heavy(code: str):
    assert heavy_modules_after(code) == []


def test_importing_the_package_changes_nothing_outside_of_it():
    code = """
import gymnasium, importlib.metadata, warnings
before = list(warnings.filters)
importlib.metadata.version = None  # so that looking for installed packages fails
import rllib_gigpo
import rllib_gigpo.envs
assert warnings.filters == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_maths_and_models_run_without_ray_and_pydantic():
    code = """
import sys
for name in ("ray", "pydantic", "vllm", "gymnasium"):
    sys.modules[name] = None  # so that importing it fails
from rllib_gigpo.batch.step_record import StepRecord
from rllib_gigpo.credit.rules import make_rule
from rllib_gigpo.loss.policy import POLICY_LOSSES
from rllib_gigpo.loss.aggregation import AGGREGATIONS
from rllib_gigpo.models.model_adapter import ModelAdapter
assert make_rule("hgpo", anchor_context=1).anchor_context == 1
loss = POLICY_LOSSES.build({"name": "ppo", "dual_clip": None}, {"clip_param": 0.1})
assert loss.clip_param == 0.1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_exported_names_are_loaded_at_their_first_use():
    import rllib_gigpo
    from rllib_gigpo.gigpo import GiGPO

    assert rllib_gigpo.GiGPO is GiGPO
    assert set(rllib_gigpo.__all__) <= set(dir(rllib_gigpo))
    with pytest.raises(AttributeError, match="it exports GiGPO"):
        _ = rllib_gigpo.GiGOP


def test_the_distribution_holds_one_top_level_package_with_every_file(tmp_path: Path):
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)

    assert [folder.name for folder in tmp_path.iterdir()] == ["rllib_gigpo"]
    assert files_below(tmp_path / "rllib_gigpo") == {
        *files_below(PACKAGE),
        *(Path("envs") / file for file in files_below(ROOT / "envs")),
    }


def files_below(folder: Path) -> set[Path]:
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return {file for file in found if "__pycache__" not in file.parts}


def test_the_entry_points_lead_to_functions():
    entry_points = {
        entry_point.group: entry_point.load()
        for entry_point in metadata.distribution("rllib-gigpo").entry_points
    }
    assert set(entry_points) == {"console_scripts", "vllm.general_plugins"}
    assert all(callable(function) for function in entry_points.values())
