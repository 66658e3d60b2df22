import sys
from pathlib import Path

import pytest

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.reports import plots
from rllib_gigpo.reports.results import IterationSummary

SUMMARIES = [
    IterationSummary(iteration=1, success_rate=0.2, anchor_group_sizes=((1, 3.0), (4, 1.0))),
    IterationSummary(
        iteration=2,
        success_rate=0.6,
        eval_success_rate=0.5,
        eval_success_ci_low=0.4,
        eval_success_ci_high=0.7,
        anchor_group_sizes=((2, 1.0), (30, 1.0)),
    ),
]


def test_sizes_are_summed_into_bins_as_shares_of_the_groups():
    # 10 groups: three of size 1, two of sizes 2 and 4, one of size 5, four of sizes 11 and 64.
    sizes = ((1, 3.0), (2, 1.0), (4, 1.0), (5, 1.0), (11, 1.0), (64, 3.0))
    assert plots.size_shares(sizes) == [0.3, 0.2, 0.1, 0.0, 0.4]


def test_no_groups_have_no_shares():
    assert plots.size_shares(()) == [0.0] * 5


def test_bins_are_named_by_their_bounds():
    assert [plots.bin_label(*bounds) for bounds in plots.SIZE_BINS] == [
        "1", "2-4", "5-7", "8-10", "11+",
    ]  # fmt: skip


def test_the_learning_curve_holds_training_and_evaluation_of_each_run():
    axes = plots.learning_curve({"gigpo": SUMMARIES}).axes[0]

    training, evaluation = axes.lines
    assert training.get_xydata().tolist() == [[1, 0.2], [2, 0.6]]
    assert evaluation.get_xydata().tolist() == [[2, 0.5]]
    assert axes.get_ylim() == (0, 1)


def test_figures_of_a_run_without_metrics_are_empty_but_drawn(tmp_path: Path):
    summaries = [IterationSummary(iteration=1)]
    for figure in (plots.learning_curve({"a": summaries}), plots.anchor_group_sizes(summaries)):
        assert plots.save(figure, tmp_path / "figure.png").read_bytes()[1:4] == b"PNG"


def test_anchor_groups_are_stacked_by_bin():
    axes = plots.anchor_group_sizes(SUMMARIES).axes[0]

    assert axes.get_legend().get_texts()[0].get_text() == "1"
    assert len(axes.collections) == len(plots.SIZE_BINS)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "rllib-gigpo\[plot\]"'):
        plots.learning_curve({})


def test_a_trailing_mean_averages_what_there_is():
    assert plots.trailing_mean([0.0, 1.0, 0.5, 0.5], 2) == [0.0, 0.5, 0.75, 0.5]


def test_mean_curves_average_seeds_and_are_cut_to_the_shortest():
    figure = plots.mean_curves({"gigpo": [[0.0, 1.0], [0.5, 0.5, 0.5]]}, window=1)

    (mean,) = figure.axes[0].lines
    assert mean.get_xydata().tolist() == [[1, 0.25], [2, 0.75]]
