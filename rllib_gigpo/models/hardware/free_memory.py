"""The memory that is free for this process: of the machine, and of its control group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def free_bytes(*, own: Path = _OWN, root: Path = _CGROUPS) -> int:
    """Return the bytes that this process can still take.

    Args:
        own: The file that names the process's control groups.
        root: The folder of the control groups.

    Returns:
        What the machine has available; less if a control group (a container, a batch job) has a
        limit that comes first.
    """
    import psutil  # lazily: a bare GPU machine runs the checks of models without it

    return min([psutil.virtual_memory().available, *_free_in_groups(own, root)])


def _free_in_groups(own: Path, root: Path) -> Iterator[int]:
    """Yield what each limit leaves, from the process's own group upwards."""
    for folder, limit_file, usage_file in _places(own, root):
        try:
            limit = int((folder / limit_file).read_text())
            usage = int((folder / usage_file).read_text())
        except (OSError, ValueError):  # no such group here, or "max": no limit
            continue
        yield max(0, limit - usage + _page_cache(folder))


def _places(own: Path, root: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (folder, file of the limit, file of the usage) for both versions of control groups."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        group = Path(path.strip("/"))
        if not controllers:
            names, base = ("memory.max", "memory.current"), root
        elif "memory" in controllers.split(","):
            names, base = ("memory.limit_in_bytes", "memory.usage_in_bytes"), root / "memory"
        else:
            continue
        # Inside a container the group's own folder is often the root that is mounted.
        for part in (group, *group.parents):
            yield (base / part, *names)


def _page_cache(folder: Path) -> int:
    """Return the bytes of cached files in a group's usage, which the kernel gives back."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(values.get("total_inactive_file", values.get("inactive_file", 0)))
