"""The documentation as a site: whole, without a broken link, and without the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder, site):
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", site]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_site(site):
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        built = site / (name.with_name("index.html") if page.name == "README.md" else name)
        assert "</article>" in built.read_text(), page


def test_the_reference_is_made_from_docstrings(site):
    text = (site / "reference" / "algorithm.html").read_text()
    for method in ("llm", "training", "async_training", "reporting"):
        assert f'id="rllib_gigpo.gigpo.GiGPOConfig.{method}"' in text


def test_pages_load_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="([^"]+)"', page.read_text())
        assert [url for url in loaded if "://" in url] == []


def test_a_broken_link_fails(tmp_path):
    (tmp_path / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text().split("\nnav:")[0])
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Start\n\n[a page](lost.md)\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert "lost.md" in built.stdout + built.stderr
