"""The report of an import, which is saved with the model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

REPORT_FILE = "import.json"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Report of an import, saved in the model's folder as ``import.json``.

    Attributes:
        key: Hash of all inputs.
        source: Name of the GGUF file.
        sha256: Hash of the GGUF file.
        architecture: llama.cpp's name of the architecture.
        quantisations: Number of tensors of each type in the file.
        dtype: The type of the written weights.
        num_parameters: Number of the model's parameters; tied embeddings count once.
        num_bytes: Size of the weights.
        num_tensors: Number of tensors that were compared.
        largest_deviation: Largest difference from gguf's own reading, rounded to ``dtype``.
        largest_rounding: Largest change of a weight by rounding to ``dtype``.
        bits_per_byte: What the model needs for a byte of plain English.
        warnings: What may be wrong with the model.
    """

    key: str
    source: str
    sha256: str
    architecture: str
    quantisations: dict[str, int]
    dtype: str
    num_parameters: int
    num_bytes: int
    num_tensors: int
    largest_deviation: float
    largest_rounding: float
    bits_per_byte: float
    warnings: list[str]

    def lines(self) -> list[str]:
        """Return the findings in two lines, and a line for each warning."""
        rounded = f", rounding changed at most {self.largest_rounding:.2g}"
        return [
            f"{self.num_tensors} tensors ({', '.join(self.quantisations)}) equal gguf's own"
            f" dequantisation, largest deviation {self.largest_deviation:.2g}"
            f"{rounded if self.largest_rounding else ''}",
            f"{self.num_parameters / 1e6:.1f} M parameters, {self.num_bytes / 1e6:,.0f} MB of"
            f" {self.dtype}, {self.bits_per_byte:.2f} bits per byte of English",
            *(f"warning: {warning}" for warning in self.warnings),
        ]


def read_import_report(folder: Path) -> ImportReport | None:
    """Read the report from a model's folder; None if the folder has none that can be read."""
    try:
        return ImportReport(**json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_import_report(report: ImportReport, folder: Path) -> None:
    """Write the report to the model's folder."""
    text = json.dumps(asdict(report), indent=2)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
