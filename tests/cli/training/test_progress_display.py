import io
from dataclasses import replace

import pytest
from rich.console import Console

from rllib_gigpo.cli.training import progress_display
from rllib_gigpo.reports.results import IterationSummary

HISTORY = [
    IterationSummary(iteration=1, iteration_s=10.0, time_total_s=10.0, success_rate=0.0),
    IterationSummary(
        iteration=2,
        iteration_s=20.0,
        time_total_s=30.0,
        success_rate=0.5,
        episode_return=1.25,
        format_valid_rate=0.987,
        episode_length=7.04,
        tokens_per_s=12345.6,
        phase_seconds=(("sample", 12.0), ("learn", 7.5)),
        eval_success_rate=0.8,
        eval_success_ci_low=0.7,
        eval_success_ci_high=0.9,
    ),
]


def test_a_plain_line_tells_the_last_iteration():
    assert progress_display.plain_line(HISTORY, {"training_iteration": 6}) == (
        "iteration 2/6  success 50.0%  return 1.25  valid 98.7%  length 7.0  tokens/s 12,346  "
        "sample 12.0s learn 7.5s  left 1m00s  evaluation 80.0% [70.0%, 90.0%] at iteration 2"
    )


def test_metrics_that_are_missing_show_as_a_dash():
    assert progress_display.plain_line(HISTORY[:1], {}) == (
        "iteration 1  success 0.0%  return -  valid -  length -  tokens/s -  -  left -"
    )


@pytest.mark.fault("B23", promise="Skipped steps and warnings are shown in the line and the panel.")
def test_skipped_steps_and_warnings_are_shown():
    faulty = replace(HISTORY[0], num_skipped_steps=4.0, warnings="the ratio is off")
    line, warning = progress_display.plain_line([faulty], {}).splitlines()
    assert line.endswith("skipped steps 4")
    assert warning == "warning: the ratio is off"
    rows = dict(progress_display.detail_rows([faulty, HISTORY[1]], {}))
    assert rows[""] == "warning: the ratio is off"  # of an earlier iteration
    assert "skipped steps" not in rows
    assert dict(progress_display.detail_rows([faulty], {}))["skipped steps"] == "[red]4[/red]"


def test_an_engine_that_differs_from_the_learner_is_shown():
    rounding = replace(HISTORY[0], rollout_kl=1e-7, max_abs_logp_diff=6e-5)
    assert "engine differs" not in progress_display.plain_line([rounding], {})
    assert "engine differs" not in dict(progress_display.detail_rows([rounding], {}))
    other = replace(HISTORY[0], rollout_kl=0.0012, max_abs_logp_diff=0.41)
    text = "KL 0.0012, at most 0.41"
    assert progress_display.plain_line([other], {}).endswith(f"engine differs {text}")
    weighted = replace(other, importance_capped_share=0.003)
    rows = dict(progress_display.detail_rows([weighted], {}))
    assert rows["engine differs"] == f"{text}, capped 0.3%"


def test_the_kinds_of_lost_groups_are_shown():
    faulty = replace(HISTORY[0], groups_lost=(("step", 3.0), ("timeout", 1.0)))
    assert progress_display.plain_line([faulty], {}).endswith("lost groups 3 step, 1 timeout")
    rows = dict(progress_display.detail_rows([faulty], {}))
    assert rows["groups lost"] == "[red]3 step, 1 timeout[/red]"


def test_the_time_left_is_the_sooner_of_the_criteria():
    # Two iterations took 15 s on average, so four more take 60 s; of 50 s in all, 20 s are left.
    assert progress_display.seconds_left(HISTORY, {"training_iteration": 6}) == 60.0
    assert (
        progress_display.seconds_left(HISTORY, {"training_iteration": 6, "time_total_s": 50})
        == 20.0
    )
    assert progress_display.seconds_left(HISTORY, {"time_total_s": 5}) == 0.0
    assert progress_display.seconds_left(HISTORY, {"env_runners/success_rate": 0.9}) is None


def test_a_sparkline_averages_long_curves_down():
    assert progress_display.sparkline([0.0, 0.5, 1.0, 1.5]) == "▁▅██"
    assert progress_display.sparkline([]) == ""
    # 120 values in blocks of two: 0 and 1 average to one half.
    assert progress_display.sparkline([0.0, 1.0] * 60) == "▅" * 60


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0s"), (59.6, "1m00s"), (250, "4m10s"), (7500, "2h05m")],
)
def test_durations_are_short(seconds, text):
    assert progress_display.duration(seconds) == text


def test_plain_progress_prints_a_line_per_iteration_and_names_trials_once_there_are_two():
    stream = io.StringIO()
    display = progress_display.PlainProgress({}, stream=stream)

    display.update("lr=1", HISTORY[0])
    display.update("lr=2", HISTORY[0])

    first, second = stream.getvalue().splitlines()
    assert first.startswith("iteration 1")
    assert second.startswith("lr=2  iteration 1")


def live_output(updates: list[tuple[str, IterationSummary]]) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=40)
    display = progress_display.LiveProgress({}, title="my run", console=console)
    display.start()
    for trial, summary in updates:
        display.update(trial, summary)
    display.stop()
    return stream.getvalue()


def test_the_live_panel_shows_one_trial_in_detail():
    output = live_output([("a", HISTORY[0]), ("a", HISTORY[1])])

    assert "starting engine and environments" in output
    assert "12,346" in output
    assert "80.0% [70.0%, 90.0%] at iteration 2" in output
    assert "▁▅" in output


def test_the_live_table_has_a_row_for_each_trial_of_a_sweep():
    output = live_output([("lr=1", HISTORY[0]), ("lr=2", HISTORY[1])])

    last = output[output.rindex("my run") :]
    assert "lr=1" in last
    assert "lr=2" in last


def test_a_pipe_gets_plain_lines():
    # pytest's captured stdout is not a terminal.
    assert isinstance(progress_display.make_display({}, title="x"), progress_display.PlainProgress)
