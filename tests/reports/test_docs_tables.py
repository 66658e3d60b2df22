"""The tables of the docs match the code, and every number of a preset has its source."""

import re
from pathlib import Path

import pytest

from rllib_gigpo.config.presets import PRESETS, Numbers, Preset
from rllib_gigpo.config.sections import SECTIONS
from rllib_gigpo.reports import docs_tables
from rllib_gigpo.reports.settings_table import setting_rows

DOCS = Path(__file__).parents[2] / "docs"
FILES = [DOCS / f"{name}.md" for name in ("rules", "presets", "settings", "panels")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_docs_are_up_to_date(file):
    text = file.read_text(encoding="utf-8")
    assert docs_tables.with_tables(text) == text, "run `make docs`"


def test_each_table_stands_in_the_docs_once():
    found = [
        name for file in FILES for name in re.findall("<!-- table: (.+?) -->", file.read_text())
    ]
    assert sorted(found) == sorted(docs_tables.TABLES)


def test_the_page_of_settings_names_every_setting_and_option():
    page = (DOCS / "settings.md").read_text()
    rows = [row for section in SECTIONS.values() for row in setting_rows(section)]
    assert [row.name for row in rows if f"\n| `{row.name}` |" not in page] == []


def test_only_what_stands_between_the_marks_is_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(
        docs_tables, "TABLES", {"a": lambda: ["| a |", "| 1 |"], "b": lambda: ["| b |"]}
    )
    file = tmp_path / "page.md"
    file.write_text(
        "before\n<!-- table: a -->\nold\n<!-- end -->\n"
        "between\n<!-- table: b -->\n<!-- end -->\nend"
    )
    docs_tables.main([str(file)])
    docs_tables.main([str(file)])  # changes nothing
    assert file.read_text() == (
        "before\n<!-- table: a -->\n| a |\n| 1 |\n<!-- end -->\n"
        "between\n<!-- table: b -->\n| b |\n<!-- end -->\nend"
    )


def test_an_unknown_table_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no table 'rules'; the tables are .*rule-options"):
        docs_tables.with_tables("<!-- table: rules -->\n<!-- end -->")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- table: presets -->\n",
        "<!-- table: presets -->\n<!-- table: presets -->\n<!-- end -->\n<!-- end -->\n",
    ],
)
def test_a_table_without_its_end_is_an_error(text):
    with pytest.raises(ValueError, match="close each table before the next one starts"):
        docs_tables.with_tables(text)


def test_a_bar_in_a_cell_does_not_end_it():
    assert docs_tables.markdown(("head",), [("|A|",)])[-1] == r"| \|A\| |"


def test_a_rules_options_stand_with_the_defaults_of_the_rules_that_have_them():
    rows = [line for line in docs_tables.rule_options() if line.startswith("| `gae_lambda`")]
    assert rows == [
        "| `gae_lambda` | float | anchor_gae: `0.95`, bepo: `0.95`, ppo: `0.95` | λ of GAE: 1"
        " relies on the returns, 0 on the values. |"
    ]


def test_the_rules_that_read_a_setting_are_found_by_their_columns():
    readers = dict(line.strip("| ").split(" | ") for line in docs_tables.rule_inputs()[2:])
    assert readers["`critic` (needed)"] == "`hiper_critic`, `ppo`"
    assert readers["`anchor`"] == (
        "`gigpo`, `gigpo_verl_agent`, `hgpo`, `bipace_q`, `proxmo`, `anchor_gae`, `graphgpo`,"
        " `g2po`, `bepo`, `hiper`"
    )
    assert readers["`group_size=1` (allowed)"] == "`reinforce_pp`, `hiper_critic`, `ppo`"


# ---------------------------------------------------------------- presets


def leaves(nested, path=()):
    """Yield the dotted names of the leaves of nested dicts."""
    for name, value in nested.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield ".".join((*path, name))


@pytest.mark.parametrize("name", PRESETS)
def test_every_setting_of_a_preset_has_a_source(name):
    preset = PRESETS[name]
    assert sorted(leaves(preset.settings)) == sorted(preset.sources)
    assert all(preset.sources.values())
    assert preset.source
    assert preset.description


def test_a_later_part_of_a_preset_takes_the_place_of_an_earlier_one():
    parts = (
        Numbers("a script", {"lr": 1.0, "penalties.format": 0.1}),
        Numbers("ours", {"lr": 2.0, "penalties.mode": "row"}),
    )
    preset = Preset("of a test", "nowhere", parts)
    assert preset.settings == {"lr": 2.0, "penalties": {"format": 0.1, "mode": "row"}}
    assert preset.sources == {
        "lr": "ours",
        "penalties.format": "a script",
        "penalties.mode": "ours",
    }


def test_presets_that_share_a_number_and_its_source_share_a_row():
    rows = docs_tables.preset_numbers()
    assert (
        "| `group_size=8` `num_groups=16` | `gigpo-paper` `gigpo-verl-agent` `gigpo-dapo` `grpo`"
        " `rloo` `reinforce-pp` `hgpo` | scripts: `env.rollout.n`, `data.train_batch_size` |"
    ) in rows
    assert sum("`old_logp='recompute'`" in row for row in rows) == 1
