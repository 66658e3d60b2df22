"""Runs are found below a folder, and read while they go on."""

import gzip
import json

import pytest
from support.runs.recorded_run import episode_lines, write_run

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.viewer.run_folder import RunFolder, find_runs, flat


def test_a_run_is_found_by_its_own_folder(tmp_path):
    write_run(tmp_path / "mine", {})
    (run,) = find_runs(tmp_path / "mine")
    assert (run.name, len(run.results())) == ("mine", 3)


def test_runs_below_a_folder_are_named_by_their_path(tmp_path):
    write_run(tmp_path / "search" / "a", {})
    write_run(tmp_path / "search" / "b", {})
    write_run(tmp_path / "search" / "a" / "checkpoint_000001" / "inner", {})
    assert sorted(run.name for run in find_runs(tmp_path)) == ["search/a", "search/b"]


@pytest.mark.parametrize("place", ["", "nothing"])
def test_a_folder_without_a_run_is_refused(tmp_path, place):
    with pytest.raises(GiGPOError, match="pass the"):
        find_runs(tmp_path / place)


def test_transcripts_are_read_plain_and_compressed(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", {2: episode_lines([0, 1], won=True)}), "run")
    lines = episode_lines([0], won=False, member=1) + episode_lines([0], won=False, member=0)
    plain = tmp_path / "run" / "transcripts" / "iteration_000001.jsonl"
    plain.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(run.transcript_sizes()) == [1, 2]
    (group,) = run.groups(1)
    assert [episode.member for episode in group.episodes] == [0, 1]
    assert [group.iteration for group in run.all_groups()] == [1, 2]


def test_a_half_written_transcript_is_read_as_far_as_it_goes(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", {1: episode_lines([0, 1, 2], won=True)}), "run")
    file = tmp_path / "run" / "transcripts" / "iteration_000001.jsonl.gz"
    whole = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(whole[:-100]))  # a torn line
    assert [len(episode.steps) for _, episode in _episodes(run)] == [2]
    file.write_bytes(gzip.compress(whole)[:-12])  # a torn file
    assert [len(episode.steps) for _, episode in _episodes(run)] in ([2], [3])


def test_a_damaged_transcript_is_read_as_far_as_it_goes(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", {1: episode_lines([0, 1, 2], won=True)}), "run")
    file = tmp_path / "run" / "transcripts" / "iteration_000001.jsonl.gz"
    file.write_bytes(b"not gzip")
    assert run.groups(1) == []
    file.write_bytes(gzip.compress(b"x" * 1000)[:12] + b"damaged" * 9)
    assert run.groups(1) == []
    plain = file.with_name("iteration_000002.jsonl")
    line = json.dumps(episode_lines([0], won=True)[0] | {"prompt": "你好"}, ensure_ascii=False)
    plain.write_bytes(f"{line}\n{line}".encode()[:-100] + "你".encode()[:1])
    assert len(run.groups(2)) == 1
    (file.parent / "iteration_notes.txt").write_text("")
    assert list(run.transcript_sizes()) == [1, 2]


def test_what_is_no_number_is_none(tmp_path):
    lines = episode_lines([0, 1], won=True)
    lines[0]["rollout_logp"] = [float("nan"), float("-inf")]
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    ((_, episode),) = _episodes(run)
    assert episode.steps[0]["rollout_logp"] == [None, None]


def test_a_deleted_result_is_a_run_without_results(tmp_path):
    folder = write_run(tmp_path / "run", {})
    (folder / "result.json").unlink()
    assert RunFolder(folder, "run").results() == []


def test_groups_of_a_task_come_newest_first(tmp_path):
    lines = {
        iteration: episode_lines([0], won=True, task_seed=iteration % 2) for iteration in (1, 2, 3)
    }
    run = RunFolder(write_run(tmp_path / "run", lines), "run")
    assert [group.iteration for group in run.groups_of_task(1)] == [3, 1]


def _episodes(run):
    return [(group, episode) for group in run.groups(1) for episode in group.episodes]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"is_won": True, "is_terminated": True}, "won"),
        ({"is_won": True, "is_terminated": False}, "won"),
        ({"is_won": False, "is_terminated": True}, "lost"),
        ({"is_won": False, "is_terminated": False}, "truncated"),
    ],
)
def test_how_an_episode_ended(tmp_path, changes, outcome):
    lines = episode_lines([0], won=True)
    lines[-1] |= changes
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    assert [episode.outcome for _, episode in _episodes(run)] == [outcome]


def test_transcripts_of_earlier_versions_tell_won_by_the_reward(tmp_path):
    lines = episode_lines([0, 1], won=True)
    for line in lines:
        del line["is_won"], line["tags"], line["anchor_group"], line["response_tokens"]
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    assert [(episode.outcome, episode.tags) for _, episode in _episodes(run)] == [("won", ())]


def test_the_stamp_changes_with_a_new_result_or_transcript(tmp_path):
    folder = write_run(tmp_path / "run", {})
    run = RunFolder(folder, "run")
    stamps = [run.stamp()]
    (folder / "transcripts" / "iteration_000001.jsonl").write_text("")
    stamps.append(run.stamp())
    assert len(set(stamps)) == 2
    assert run.stamp() == stamps[-1]


def test_torn_settings_are_no_settings(tmp_path):
    folder = write_run(tmp_path / "run", {})
    run = RunFolder(folder, "run")
    assert dict(flat(run.settings())) == {"lr": 1e-5, "rule.name": "gigpo"}
    (folder / "params.json").write_text('{"lr": ')
    assert run.settings() == {}
    assert run.error() == ""
