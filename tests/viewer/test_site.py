"""The pages by address, from a server and as files."""

import json
import re
import urllib.error
import urllib.request

import pytest
from support.runs.recorded_run import episode_lines, result_line, write_run
from support.runs.served_pages import served_pages

from rllib_gigpo.cli.main import main
from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.viewer import web_server
from rllib_gigpo.viewer.curves import charts, faults
from rllib_gigpo.viewer.run_folder import find_runs
from rllib_gigpo.viewer.site import Site
from rllib_gigpo.viewer.static_export import export

MARKUP = "</script><script>alert('x')</script><b>bold</b>"


@pytest.fixture
def site(tmp_path):
    lines = [
        *episode_lines([0, 1], won=True, response=MARKUP, prompt=MARKUP),
        *episode_lines([0, 2], won=False, member=1, tags=[MARKUP]),
    ]
    lines[0] |= {"anchor": MARKUP, "action": MARKUP}
    write_run(tmp_path / "runs" / "first", {1: lines, 11: episode_lines([0], won=True)})
    write_run(tmp_path / "runs" / "second", {})
    return Site(find_runs(tmp_path / "runs"))


def links(address, page):
    """Return the addresses to which a page links."""
    folder = address.rpartition("/")[0]
    found = set(re.findall(r'(?:href|src)="([^"#]+)(?:#[^"]*)?"', page)) - {"data:,"}
    return {
        one.removeprefix("../") if one.startswith("../") else f"{folder}/{one}" for one in found
    }


def test_every_page_renders_and_every_link_leads_to_a_page(site, tmp_path):
    num_pages = export(site, tmp_path / "pages")
    addresses = set(site.addresses())
    assert num_pages == len(addresses) == 12
    for address in addresses:
        page = (tmp_path / "pages" / address).read_text()
        assert page == site.page(address)
        if address.endswith(".html"):
            for link in links(address, page):
                assert (tmp_path / "pages" / link.lstrip("/")).is_file(), (address, link)


def test_markup_of_a_model_is_text_on_every_page(site):
    for address in site.addresses():
        if address.endswith(".html"):
            page = site.page(address)
            assert "<b>bold" not in page
            assert "<script>alert" not in page


@pytest.mark.parametrize(
    "address",
    [
        "run-0/index.html",
        "run-3/index.html",
        "run-1/group-1-9.html",
        "run-1/group-9-0.html",
        "run-1/group-1.html",
        "run-1/index-1.html",
        "run-1/task-8.html",
        "run-1/other.html",
        "../run-1/index.html",
        "assets/../site.py",
    ],
)
def test_an_unknown_address_has_no_page(site, address):
    assert site.page(address) is None


def test_curves_of_runs_lie_over_each_other():
    results = [result_line(1, staleness_mean=0.5, staleness_max=1), result_line(2)]
    drawn = {chart["title"]: chart["lines"] for chart in charts({"a": results, "b": results[:1]})}
    assert [(line["run"], line["x"], line["y"]) for line in drawn["success rate"]] == [
        ("a", [1, 2], [0.1, 0.2]),
        ("b", [1], [0.1]),
    ]
    assert {line["label"] for line in drawn["staleness in versions"]} == {"mean", "largest"}
    assert {line["label"] for line in drawn["seconds by phase"]} == {"sample", "learn"}
    assert "steps of an episode" not in drawn  # no result has it


def test_an_evaluation_has_its_interval():
    evaluated = {"success_rate": 0.5, "success_ci_low": 0.3, "success_ci_high": 0.7}
    results = [result_line(1), result_line(2) | {"evaluation": {"env_runners": evaluated}}]
    lines = next(chart["lines"] for chart in charts({"a": results}))
    (line,) = [line for line in lines if line["label"] == "evaluation"]
    assert (line["x"], line["y"], line["low"], line["high"]) == ([2], [0.5], [0.3], [0.7])


def test_iterations_with_faults_are_listed():
    results = [
        result_line(1),
        result_line(2, groups_lost={"step": 2}),
        result_line(3) | {"warnings": {"transcripts": "the disk is full"}},
    ]
    assert faults(results) == [
        {"iteration": 2, "lost": "2 x step", "warnings": ""},
        {"iteration": 3, "lost": "", "warnings": "the disk is full"},
    ]


def test_an_export_never_writes_into_a_folder_with_files(site, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(GiGPOError, match="is not empty"):
        export(site, tmp_path)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serve a run and return the address of the pages."""
    folder = write_run(tmp_path_factory.mktemp("served") / "run", {1: episode_lines([0], won=True)})
    with served_pages(folder) as address:
        yield address


def answer_to(address, **headers):
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["content-type"].split(";")[0], answer.read().decode()


def test_the_server_answers_with_pages_scripts_and_the_stamp(address):
    assert answer_to(address)[0] == "text/html"
    assert answer_to(f"{address}run-1/steps-1.js")[0] == "text/javascript"
    assert answer_to(f"{address}assets/view.css")[0] == "text/css"
    assert answer_to(f"{address}stamp")[0] == "text/plain"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        answer_to(f"{address}run-7/index.html")


def test_the_server_answers_to_no_other_name(address):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        answer_to(address, Host="evil.example")


def test_a_taken_port_is_refused_in_words(site, address):
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(GiGPOError, match=rf"port {port}: .*; pass another --port"):
        web_server.serve(site, port, on_start=print)


def test_the_command_writes_pages(site, tmp_path, capsys):
    folder = tmp_path / "pages"
    assert main(["view", str(tmp_path / "runs"), "--export", str(folder)]) == 0
    assert capsys.readouterr().out == f"12 pages; open {folder / 'index.html'}\n"
    data = re.search(r'id="data">(.*?)</script>', (folder / "index.html").read_text())[1]
    assert {line["run"] for chart in json.loads(data) for line in chart["lines"]} == {
        "first",
        "second",
    }


def test_the_command_refuses_a_folder_without_runs(tmp_path, capsys):
    assert main(["view", str(tmp_path)]) == 2
    assert "no result.json here" in capsys.readouterr().err


def test_a_live_page_has_the_stamp_of_what_it_shows_and_finds_new_runs(tmp_path):
    folder = write_run(tmp_path / "runs" / "b", {})
    site = Site(find_runs(tmp_path / "runs"), folder=tmp_path / "runs")
    before = site.stamp()
    assert f'data-stamp="{before}"' in site.page("index.html")
    (folder / "result.json").write_text(json.dumps(result_line(1)) + "\n")
    assert site.stamp() != before
    write_run(tmp_path / "runs" / "a", {})
    site.stamp()
    assert [run.name for run in site.runs] == ["b", "a"]  # addresses stay what they are
    assert 'href="run-2/index.html">a<' in site.page("index.html")
    assert "data-stamp" not in Site(site.runs).page("index.html")


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none_is_refused(tmp_path, capsys, port):
    with pytest.raises(SystemExit):
        main(["view", str(tmp_path), f"--port={port}"])
    assert "is not a whole number from 0 to 65535" in capsys.readouterr().err
