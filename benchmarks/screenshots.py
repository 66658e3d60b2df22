"""The pictures of `rllib view` in the documentation, taken in a real browser.

    make train && python benchmarks/screenshots.py results/train

They show the first run below the folder: its curves, the recorded group whose episodes differ most
in their steps' advantages, and the states of that group's task.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from rllib_gigpo.installation import find_browser
from rllib_gigpo.viewer.recorded_steps import RecordedGroup
from rllib_gigpo.viewer.run_folder import RunFolder, find_runs
from rllib_gigpo.viewer.site import Site
from rllib_gigpo.viewer.static_export import export

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = {"width": 1280, "height": 760}


def main() -> None:
    """Take the pictures of one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of runs with transcripts")
    parser.add_argument("--output", type=Path, default=PICTURES)
    arguments = parser.parse_args()
    run = find_runs(arguments.folder)[0]
    for name, size in take_pictures(run, arguments.output).items():
        print(f"{arguments.output / name}: {size / 1000:.0f} KB")


def take_pictures(run: RunFolder, folder: Path) -> Mapping[str, int]:
    """Take the pictures of a run.

    Returns:
        The sizes of the files in bytes, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    group = most_telling(run)
    pages = {
        "view_run.png": "index",
        "view_group.png": f"group-{group.iteration}-{group.group_id}",
        "view_states.png": f"task-{group.task}",
    }
    with tempfile.TemporaryDirectory() as exported, sync_playwright() as playwright:
        export(Site([run]), Path(exported))
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        for file, name in pages.items():
            page.goto((Path(exported) / "run-1" / f"{name}.html").as_uri())
            show(page, name)
            page.screenshot(path=folder / file)
        browser.close()
    return {name: (folder / name).stat().st_size for name in pages}


def most_telling(run: RunFolder) -> RecordedGroup:
    """Return the group whose steps' advantages A^S differ most."""
    return max(
        run.all_groups(),
        key=lambda group: float(
            np.std([step["step_advantages"] for one in group.episodes for step in one.steps])
        ),
    )


def show(page: Page, name: str) -> None:
    """Wait until a page is drawn; open a step of a group."""
    if name == "index":
        page.locator(".gtitle").first.wait_for(state="attached")
        page.wait_for_timeout(500)
    elif name.startswith("group"):
        page.locator(".cell").first.click()
        page.locator(".tokens").first.wait_for()


if __name__ == "__main__":
    main()
