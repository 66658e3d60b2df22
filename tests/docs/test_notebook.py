"""The notebook runs from its first cell to its last, and its agent learns."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_steps.ipynb"


def outputs(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if kind in output.get("data", {})
    ]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    check = "print('MEASURED', success[0], max(success[-3:]), tested['success_rate'])"
    notebook.cells.append(nbformat.v4.new_code_cell(check))
    client = NotebookClient(
        notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        client.execute()
    return notebook


def test_the_agent_learns(executed):
    (line,) = [output["text"] for output in executed.cells[-1].outputs]
    first, last, tested = (float(part) for part in line.split()[1:])
    assert last > first + 0.1
    assert tested > 0.8


def test_it_ends_with_a_graph_of_states(executed):
    (drawing,) = outputs(executed, "image/svg+xml")
    assert 'class="node won"' in drawing
    assert drawing.count('class="node state"') > 3


def test_the_notebook_is_kept_with_its_output():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    assert len(outputs(kept, "image/svg+xml")) == 1
    assert all(cell.execution_count for cell in kept.cells if cell.cell_type == "code")


def test_nothing_is_printed_that_a_reader_cannot_act_on(executed):
    texts = [
        output["text"]
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ]
    unwanted = ("NUMA", "Writing model shards", "Loading weights", "Trainable.setup")
    assert [name for name in unwanted for text in texts if name in text] == []
