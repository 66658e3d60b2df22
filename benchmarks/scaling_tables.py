"""Tables of docs/results/scaling.md and docs/results/architectures.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from architectures import FILE, is_exact
from result_layout import Figures, Row, Table, facts

from rllib_gigpo.reports.docs_tables import markdown

_RATES = ("1e-6", "1e-5", "1e-4")
_SCALES = (1, 2, 4, 8, 16, 32, 64)
_CHECKED = {"1x8": "1 EnvRunner, 8 groups", "2x8": "2, 8 groups", "2x16": "2, 16 groups"}


class Architectures:
    """The table of all architectures, from the file that `make models` writes."""

    def lines(self, figures: Figures) -> list[str]:
        """Lay out the table in Markdown."""
        results: Mapping[str, Any] = json.loads(FILE.read_text()) if FILE.is_file() else {}
        heads = ["architecture", "ratio - 1: start", "after an update", "head", "shared prefixes"]
        rows = [[name, *_cells(result)] for name, result in sorted(results.items())]
        return markdown(heads, rows)


def _cells(result: Mapping[str, Any]) -> list[str]:
    if "iterations" not in result:
        return ["refused", "-", "-", "-"]
    ratios = [f"{one['ratio']:.0e}" for one in result["iterations"]]
    if not is_exact(result):
        ratios = [f"**{ratio}**" for ratio in ratios]
    head = "the model's own" if result["own_head"] else "by formula"
    return [*ratios, head, "yes" if result["prefixes"] else "no"]


SCALING: Mapping[str, Any] = {
    "architectures": Architectures(),
    "delta": Table(
        ("learning rate",),
        {"share of the bytes": ""},
        [
            Row(
                (rate,),
                cells={
                    "share of the bytes": f"{{delta_bytes_{rate}:.1%}}"
                    + (f", {{delta_bytes_{rate}:target}}" if rate == "1e-6" else "")
                },
            )
            for rate in _RATES
        ],
    ),
    "sharding": facts(
        {
            "seconds of an update as differences, learning rate 1e-6": "{delta_seconds:.2f}",
            "seconds of one in full": "{full_seconds:.2f}",
            "peak of an export over shards and largest group, 2 Learners": (
                "{export_peak_ratio_2:.2f}, {export_peak_ratio_2:target}"
            ),
            "the same, 4 Learners": "{export_peak_ratio_4:.2f}, {export_peak_ratio_4:target}",
            "tokens/s of two sharded Learners over two with copies": "{fsdp2_over_ddp:.2f}",
            "architectures that are exact": "{architectures_ok:.0f} of {architectures_ok:n},"
            " {architectures_ok:target}",
        }
    ),
    "iteration-model": facts(
        {
            f"predicted over measured: {label}": f"{{iteration_model/{name}:.2f}}"
            for name, label in _CHECKED.items()
        }
    ),
    "iteration-simulation": Table(
        ("groups of 4 a batch",),
        {str(scale): f"{{{scale}:.1f}}" for scale in _SCALES},
        [
            Row((str(groups),), prefix=f"iteration_model/{groups}_groups")
            for groups in (16, 64, 512)
        ],
    ),
}
