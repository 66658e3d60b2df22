"""Lets a CUDA build of torchvision work beside a CPU build of torch.

    python -m rllib_gigpo.torchvision_on_cpu

Such a torchvision (0.28) cannot load its compiled operators, and then fails on import, because two
of its Python files describe operators that nobody has declared ("operator torchvision::nms does not
exist"). Models of text and images need none of these operators. This appends their declarations
to the installed ``torchvision/extension.py``, and says so.
"""

from __future__ import annotations

import sys

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.installation import (
    DECLARED_TITLE,
    installed_version,
    is_cpu_build,
    torchvision_declares_operators,
    torchvision_extension,
)

_LINES = f"""

{DECLARED_TITLE}: declares the operators that a build for another torch lacks.
if not _has_ops():
    _declared = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _declared.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def declare_operators() -> str:
    """Append the declarations, unless they are not needed or already there.

    Returns:
        What was done, in words.

    Raises:
        ConfigError: torchvision is not installed.
    """
    file = torchvision_extension()
    if file is None:
        raise ConfigError('torchvision is not installed: pip install "rllib-gigpo[vlm]"')
    version = installed_version("torchvision")
    is_foreign = is_cpu_build(installed_version("torch")) and not is_cpu_build(version)
    if not is_foreign:
        return f"torchvision {version} fits this torch; nothing was changed"
    if torchvision_declares_operators():
        return f"{file} declares torchvision's operators already"
    with file.open("a", encoding="utf-8") as extension:
        extension.write(_LINES)
    return (
        f"torchvision {version} is not a CPU build: appended the declarations of two operators to"
        f" {file}, so that it can be imported; they cannot run, and no model here calls them"
    )


if __name__ == "__main__":
    try:
        print(declare_operators())
    except ConfigError as error:
        sys.exit(f"torchvision_on_cpu: {error}")
