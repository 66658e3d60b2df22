"""The README.md of an imported model: where it comes from, its licence, and what was changed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rllib_gigpo.models.gguf.gguf_file import GGUFFile

_TECHNICAL = ("architecture", "type", "alignment")


def write_note(folder: Path, file: GGUFFile, *, dtype: str, licence_files: Sequence[Path]) -> None:
    """Write what the GGUF file says about itself, and copy the licence files next to it.

    Args:
        folder: The imported model.
        file: The GGUF file.
        dtype: The type of the written weights.
        licence_files: The licence files of the package that carried the model.
    """
    said = {key: " ".join(text.split()) for key, text in file.statements()}
    licence = said.get("license")
    lines = ["---", f"license: {json.dumps(licence)}", "---"] if licence else []
    lines += [
        f"# {said.get('name', file.path.stem)}",
        "",
        f"Imported by `rllib import-model` from `{file.path.name}`. Changed: the weights"
        f" ({', '.join(file.quantisations())}) were dequantised to {dtype} and stored in the layout"
        " of transformers.",
        "",
        "| the GGUF file says | |",
        "| --- | --- |",
        *(
            f"| {key} | {text.replace('|', chr(92) + '|')} |"
            for key, text in said.items()
            if key not in _TECHNICAL
        ),
        "",
    ]
    for path in licence_files:
        shutil.copyfile(path, folder / path.name)
        lines.append(f"`{path.name}` is the licence of the package that carried the file.")
    if licence is None:
        lines.append("The file names no licence: ask whoever made it before you share the model.")
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
