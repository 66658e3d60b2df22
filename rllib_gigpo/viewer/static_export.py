"""Writes all pages of a site as files that open from a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.viewer.site import Site, assets


def export(site: Site, folder: Path) -> int:
    """Write all pages, scripts and styles.

    Args:
        site: The pages.
        folder: A new or empty folder.

    Returns:
        The number of pages.

    Raises:
        GiGPOError: The folder is not empty, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GiGPOError(f"{folder} is not empty; pass a new folder to --export")
        for address, file in assets().items():
            (folder / address).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / address)
        return sum(_write(site, address, folder) for address in site.addresses())
    except OSError as error:
        raise GiGPOError(f"{folder} cannot be written: {error.strerror}") from error


def _write(site: Site, address: str, folder: Path) -> bool:
    text = site.page(address)
    if text is None:  # its transcript was deleted in the meantime
        return False
    (folder / address).parent.mkdir(parents=True, exist_ok=True)
    (folder / address).write_text(text, encoding="utf-8")
    return True
