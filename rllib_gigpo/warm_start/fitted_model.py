"""The function `warm_start`, which fits a model to an environment's expert or finds it cached."""

from pathlib import Path
from shutil import copytree

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.warm_start.build import build
from rllib_gigpo.warm_start.cache import cache_key, cached_folder, default_cache_dir, write_folder
from rllib_gigpo.warm_start.warm_start_progress import Progress
from rllib_gigpo.warm_start.warm_start_report import REPORT_FILE, read_report
from rllib_gigpo.warm_start.warm_start_settings import TinyModelSettings, WarmStartSettings

_PRODUCTS = ("float32", "bfloat16", "auto")


def warm_start(
    settings: WarmStartSettings,
    *,
    output: str | Path | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fit a model to an environment's expert, on the first call only, and return its folder.

    Args:
        settings: Everything that determines the result.
        output: Folder to copy the result to; None leaves it in the cache.
        cache_dir: Cache folder; None is ``default_cache_dir()``.
        progress: Called before and while the expert plays, and after each epoch of the fit; not
            called if the result is in the cache.

    Returns:
        A Hugging Face folder (config, safetensors, tokenizer) that ``transformers`` and vLLM open,
        with the report in it: ``output`` if given.

    Raises:
        ConfigError: The settings contradict each other or name something that does not exist, or
            ``output`` holds something else.
        EnvContractError: The environment names no expert actions, or its spaces are not text.
    """
    _check_settings(settings)
    key = cache_key(settings)
    if output is not None:
        _check_output(Path(output), key)
    root = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()
    folder = cached_folder(
        root / key, lambda path: build(settings, path, key=key, progress=progress)
    )
    return folder if output is None else _copy(folder, Path(output))


def _copy(source: Path, output: Path) -> Path:
    if not output.exists():
        output.parent.mkdir(parents=True, exist_ok=True)
        write_folder(output, lambda path: copytree(source, path, dirs_exist_ok=True))
    return output


def _check_settings(settings: WarmStartSettings) -> None:
    """Report all mistakes at once."""
    played = settings.demonstrations
    probabilities = {
        "random_action_probability": played.random_action_probability,
        "random_label_probability": settings.random_label_probability,
    }
    counts = {
        "episodes_per_seed": played.episodes_per_seed,
        "max_episode_steps": played.max_episode_steps,
        "num_epochs": settings.fit.num_epochs,
    }
    mistakes = [
        f"{name}={value} must be at least 0 and less than 1"
        for name, value in probabilities.items()
        if not 0.0 <= value < 1.0
    ]
    mistakes += [
        f"{name}={value} must be at least 1" for name, value in counts.items() if value < 1
    ]
    if played.num_tasks is not None and played.num_tasks < 1:
        mistakes.append(f"num_tasks={played.num_tasks} must be at least 1")
    if settings.fit.batch_tokens is not None and settings.fit.batch_tokens < 1:
        mistakes.append(f"batch_tokens={settings.fit.batch_tokens} must be at least 1")
    if settings.fit.autocast_dtype not in (None, *_PRODUCTS):
        given = settings.fit.autocast_dtype
        mistakes.append(f"autocast_dtype={given!r} is not one of {', '.join(map(repr, _PRODUCTS))}")
    if settings.fit.prompt_loss_weight < 0:
        mistakes.append(f"prompt_loss_weight={settings.fit.prompt_loss_weight} must be at least 0")
    if not settings.seeds:
        mistakes.append("seeds is empty: give the training tasks to demonstrate, e.g. range(128)")
    if settings.base_model is not None and settings.tiny_model != TinyModelSettings():
        mistakes.append("tiny_model has no effect with base_model: leave one of them out")
    if mistakes:
        raise ConfigError(f"The settings of the warm start are wrong: {'; '.join(mistakes)}.")


def _check_output(output: Path, key: str) -> None:
    is_same = (output / REPORT_FILE).is_file() and read_report(output).key == key
    if output.exists() and not is_same:
        raise ConfigError(
            f"The output folder {str(output)!r} exists and holds something other than this warm "
            "start. Delete it, or choose another folder."
        )
