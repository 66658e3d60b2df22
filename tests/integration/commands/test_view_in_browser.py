"""`rllib view` in a real browser: every page, a path of clicks, and a run that goes on."""

import gzip
import json
import os
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from playwright.sync_api import expect, sync_playwright
from support.runs.recorded_run import episode_lines, result_line, write_run
from support.runs.served_pages import served_pages

from rllib_gigpo.installation import find_browser
from rllib_gigpo.reports.observed_image import observed_image
from rllib_gigpo.viewer.run_folder import find_runs
from rllib_gigpo.viewer.site import Site
from rllib_gigpo.viewer.static_export import export

MARKUP = "</script><script>document.title = 'owned'</script><b>bold</b>"
MOST_ROWS = 500


@pytest.fixture(scope="module")
def browser():
    """Start the Chromium of the machine; `RLLIB_GIGPO_BROWSER=required` says that one is there."""
    found = find_browser()
    if not found and os.environ.get("RLLIB_GIGPO_BROWSER") != "required":
        pytest.skip("no Chromium on this machine; on Debian, apt-get install chromium")
    assert found, "Chromium is missing: apt-get install chromium"
    options = ["background-networking", "component-update", "gpu", "quic", "sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", *(f"--disable-{one}" for one in options)]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """Open an empty page that fails the test if a script fails or complains."""
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text))
    page.on("requestfailed", lambda request: complaints.append(f"{request.failure} {request.url}"))
    yield page
    page.close()
    # A page that is left while it loads aborts its requests.
    assert [one for one in complaints if "ERR_ABORTED" not in one] == []


@pytest.fixture
def exported(tmp_path):
    """Return a function that exports runs and returns the address of the start page."""

    def address(folder):
        export(Site(find_runs(folder)), tmp_path / "pages")
        return (tmp_path / "pages" / "index.html").as_uri()

    return address


@pytest.fixture
def served():
    """Return a function that serves runs and returns the page's address."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(served_pages(folder))


def num_rows(page):
    return page.locator("tr, li, .cell").count()


@pytest.fixture(params=["exported", "served"])
def start(request, trained):
    """The start page of a real run of two iterations, from a folder and from a server."""
    return request.getfixturevalue(request.param)(trained)


def test_a_path_through_the_pages_of_a_trained_run(page, start, trained):
    page.goto(start)
    page.get_by_role("link", name=trained.name).first.click()
    page.locator(".chart .gtitle").last.wait_for(state="attached")
    titles = page.locator(".chart .gtitle").all_text_contents()
    assert {"success rate", "entropy", "seconds by phase"} <= set(titles)
    assert page.get_by_text("success rate").first.is_visible()
    assert f"torch {torch.__version__}" in page.locator("main").inner_text()
    page.locator("summary", has_text="settings").click()
    assert "group_size = 4" in page.locator("details pre").last.inner_text()

    page.locator('a[href^="group-"]').first.click()
    expect(page.locator(".lane")).to_have_count(4)
    page.locator(".cell").first.click()
    with gzip.open(trained / "transcripts" / "iteration_000002.jsonl.gz", "rt") as lines:
        step = json.loads(next(lines))
    panel = page.locator("aside")
    assert panel.locator("pre").last.text_content() == step["prompt"]
    tokens = panel.locator(".tokens span")
    expect(tokens).to_have_count(len(step["response_token_ids"]))
    assert "log-prob" in tokens.first.get_attribute("title")
    assert page.locator("#lanes svg path").count() > 0  # equal states are joined

    page.locator('main a[href^="task-"]').click()
    page.locator(".node.start").click()
    assert "start" in panel.locator("h2").first.inner_text()
    page.locator(".edge").first.dispatch_event("click")
    panel.locator('a[href^="group-"]').first.click()
    expect(page.locator(".cell.open")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    page.get_by_role("link", name="anchor groups").click()
    page.locator(".gtitle", has_text="share of anchor groups by size").wait_for(state="attached")
    assert page.locator("table").first.locator("tbody tr").count() > 0


def test_a_search_finds_steps_by_text_outcome_and_flag(page, exported, tmp_path):
    lines = [
        *episode_lines([0, 1], won=True, tags=["easy"]),
        *episode_lines([0, 2], won=False, member=1),
    ]
    lines[1] |= {"is_admissible": False, "response": "a Strange answer"}
    page.goto(exported(write_run(tmp_path / "run", {1: lines, 11: lines[:1]})))
    page.get_by_role("link", name="run").last.click()
    page.get_by_role("link", name="search", exact=True).click()

    found = page.locator("#steps tbody tr")
    expect(found).to_have_count(5)
    page.get_by_label("text").fill("strange")
    expect(found).to_have_count(1)
    page.get_by_label("text").fill("ROOM 2")
    expect(page.locator("mark")).to_have_text("room 2")
    page.get_by_label("text").fill("")
    page.get_by_label("episode").select_option("truncated")
    expect(found).to_have_count(2)
    page.get_by_label("episode").select_option("")
    page.get_by_label("answer").select_option("is_invalid")
    expect(found).to_have_count(1)
    page.get_by_label("answer").select_option("")
    page.get_by_label("tag").select_option("easy")
    expect(found).to_have_count(3)
    page.get_by_label("iteration").select_option("11")
    expect(found).to_have_count(1)


def test_markup_is_shown_as_text(page, exported, tmp_path):
    lines = episode_lines([0], won=True, prompt=MARKUP, response=MARKUP, tags=[MARKUP])
    lines[0] |= {"anchor": MARKUP, "action": MARKUP, "response_tokens": [MARKUP, ""]}
    start = exported(write_run(tmp_path / "run", {1: lines}))
    run = start.replace("index.html", "run-1/")
    for address in ("index", "episodes", "anchors", "group-1-0", "task-7"):
        page.goto(f"{run}{address}.html")
        if address == "group-1-0":
            page.locator(".cell").click()
            assert page.locator(".tokens").inner_text() == MARKUP
        assert page.locator("b", has_text="bold").count() == 0
        assert page.title() != "owned"


def test_a_picture_of_the_environment_is_shown(page, exported, tmp_path):
    image = observed_image(np.full((20, 30, 3), 200, np.uint8))
    lines = [line | {"image": image} for line in episode_lines([0, 1], won=True)]
    start = exported(write_run(tmp_path / "run", {1: lines}))
    page.goto(start.replace("index.html", "run-1/group-1-0.html"))
    page.locator(".cell").first.click()
    picture = page.locator("aside img")
    size = "async (one) => { await one.decode(); return [one.naturalWidth, one.naturalHeight]; }"
    assert picture.evaluate(size) == [30, 20]
    expect(page.locator(".cell img")).to_have_count(2)


def test_ten_thousand_steps_are_shown_five_hundred_at_a_time(page, exported, tmp_path):
    iterations = {
        iteration: [
            line
            for member in range(8)
            for line in episode_lines(
                [*range(125)], won=bool(member % 2), member=member, task_seed=iteration
            )
        ]
        for iteration in range(1, 11)
    }
    start = exported(write_run(tmp_path / "run", iterations))
    run = start.replace("index.html", "run-1/")
    page.goto(f"{run}episodes.html")
    page.get_by_text("10000 steps").wait_for()
    assert 0 < num_rows(page) <= MOST_ROWS
    page.get_by_role("button", name="next").click()
    assert "page 2 of 50" in page.locator("#pages").inner_text()
    for address in ("index", "anchors", "group-3-0", "task-3"):
        page.goto(f"{run}{address}.html")
        assert 0 < num_rows(page) <= MOST_ROWS
    page.goto(f"{run}group-3-0.html#5-120")
    assert page.locator(".cell.open .action").inner_text().startswith("120.")


def test_an_open_page_follows_the_run(page, served, tmp_path):
    folder = write_run(tmp_path / "run", {})
    page.goto(served(folder) + "run-1/index.html")
    line = "document.querySelector('.chart').data[0].x.length"
    assert page.evaluate(line) == 3
    with (folder / "result.json").open("a") as file:
        file.write(json.dumps(result_line(4)) + "\n")
    for _ in range(100):  # 20 s; the pages' policy forbids playwright's own waiting
        page.wait_for_timeout(200)
        if page.evaluate(line) == 4:
            break
    assert page.evaluate(line) == 4
