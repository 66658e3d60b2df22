"""What a warm start did, as a record that lies beside its model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError

REPORT_FILE = "warm_start.json"


@dataclass(frozen=True, slots=True)
class WarmStartReport:
    """What a warm start did; lies in the model's folder as ``warm_start.json``.

    Attributes:
        key: hash of everything that went in.
        num_demonstrations: number of demonstrated turns.
        num_parameters: of the model.
        mean_prompt_tokens: mean length of the prompts, in tokens.
        mean_response_tokens: mean length of the responses with their end-of-turn token, in tokens.
        losses: mean cross-entropy per response token in each epoch, in nats.
        token_accuracies: share of response tokens that were the most likely one, in each epoch.
        demonstration_s: wall time of playing, in seconds.
        fit_s: wall time of fitting, in seconds.
        settings: the settings, as JSON has them.
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


def read_report(folder: str | Path) -> WarmStartReport:
    """Reads the report of a warm start from its folder.

    Args:
        folder: what ``warm_start`` returned.

    Raises:
        ConfigError: if the folder holds no report.
    """
    path = Path(folder) / REPORT_FILE
    if not path.is_file():
        raise ConfigError(f"{str(folder)!r} is no warm start: it holds no {REPORT_FILE}.")
    return WarmStartReport(**json.loads(path.read_text(encoding="utf-8")))


def write_report(report: WarmStartReport, folder: Path) -> None:
    """Writes the report of a warm start into its folder.

    Args:
        report: the report.
        folder: the model's folder.
    """
    text = json.dumps(asdict(report), indent=2)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
