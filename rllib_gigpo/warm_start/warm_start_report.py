"""The report of a warm start, which is saved with its model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError

REPORT_FILE = "warm_start.json"


@dataclass(frozen=True, slots=True)
class WarmStartReport:
    """Report of a warm start, saved in the model's folder as ``warm_start.json``.

    Attributes:
        key: Hash of all inputs.
        num_demonstrations: Number of demonstrated turns.
        num_parameters: Number of the model's parameters.
        mean_prompt_tokens: Mean length of the prompts, in tokens.
        mean_response_tokens: Mean length of the responses with their end-of-turn token, in tokens.
        losses: Mean cross-entropy per response token in each epoch, in nats.
        token_accuracies: Share of response tokens that the model found most likely, per epoch.
        demonstration_s: Wall time of playing, in seconds.
        fit_s: Wall time of fitting, in seconds.
        settings: The settings, as plain values for JSON.
        autocast_dtype: Type of the fit's matrix products; None for float32.
        micro_batch_tokens: Largest number of positions of a pass; None if batches were not split.
    """

    key: str
    num_demonstrations: int
    num_parameters: int
    mean_prompt_tokens: float
    mean_response_tokens: float
    losses: list[float]
    token_accuracies: list[float]
    demonstration_s: float
    fit_s: float
    settings: dict[str, Any]
    autocast_dtype: str | None = None
    micro_batch_tokens: int | None = None


def read_report(folder: str | Path) -> WarmStartReport:
    """Read the report of a warm start from its folder.

    Args:
        folder: The folder that ``warm_start`` returned.

    Raises:
        ConfigError: The folder has no report.
    """
    path = Path(folder) / REPORT_FILE
    if not path.is_file():
        raise ConfigError(
            f"{str(folder)!r} has no {REPORT_FILE}; pass a folder that warm_start has made."
        )
    return WarmStartReport(**json.loads(path.read_text(encoding="utf-8")))


def write_report(report: WarmStartReport, folder: Path) -> None:
    """Write the report of a warm start to its folder.

    Args:
        report: The report.
        folder: The model's folder.
    """
    text = json.dumps(asdict(report), indent=2)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
