"""Normal form and execution of notebooks."""

import nbformat
import pytest
from nbformat import v4

from vqvae_lib.course.notebooks import execute, find_notebooks, main, normalise
from vqvae_lib.course.results import load_result


def notebook():
    stream = {"output_type": "stream", "text": "one\n"}
    cell = v4.new_code_cell("x = 1   \nx")
    cell.execution_count = 7
    cell.metadata.update({"tags": ["a"], "execution": {"started": "now"}, "mystnb": {}})
    cell.outputs = [
        v4.new_output(**stream, name="stdout"),
        v4.new_output(**stream, name="stderr"),
        v4.new_output(**stream, name="stdout"),
        v4.new_output(
            "execute_result",
            data={
                "text/plain": "x",
                "image/png": "AAAA",
                "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
                "text/html": '<img alt="y" src="data:image/svg+xml;base64,AA"> data-vq-state="{}"',
            },
            execution_count=7,
            metadata={"image/png": {"width": 3}},
        ),
    ]
    nb = v4.new_notebook(cells=[v4.new_markdown_cell("# A Title, here\n\n"), cell])
    nb.metadata.update(
        {"widgets": {"state": 1}, "vqvae": {"seconds": 5}, "language_info": {"v": 3}}
    )
    return nb


def test_normal_form():
    nb = normalise(notebook())
    text, cell = nb.cells
    assert text.id == "a-title-here"
    assert cell.source == "x = 1\nx"
    assert cell.execution_count == 1
    assert cell.metadata == {"tags": ["a"]}
    stream, result = cell.outputs
    assert (stream.name, stream.text) == ("stdout", "one\none\n")
    assert result.data == {
        "text/plain": "x",
        "text/html": '<img alt="y" src=""> data-vq-state=""',
    }
    assert result.metadata == {}
    assert result.execution_count is None
    assert set(nb.metadata) == {"kernelspec", "language_info", "vqvae"}
    nbformat.validate(nb)


def test_normalising_twice_is_the_same_and_leaves_the_original():
    original = notebook()
    kept = nbformat.writes(original)
    once = normalise(original)
    assert nbformat.writes(original) == kept
    assert nbformat.writes(normalise(once)) == nbformat.writes(once)


def test_a_cell_that_was_not_run_keeps_no_count():
    nb = notebook()
    nb.cells[1].execution_count = None
    assert normalise(nb).cells[1].execution_count is None


def test_chosen_ids_stay_and_doubles_are_told_apart():
    nb = v4.new_notebook(cells=[v4.new_markdown_cell("same words") for _ in range(3)])
    nb.cells[0].id = "chosen"
    assert [cell.id for cell in normalise(nb).cells] == ["chosen", "same-words", "same-words-2"]


def test_execution_measures_and_updates_the_header(tmp_path):
    path = tmp_path / "01_test.ipynb"
    header = "# T\n\nRunning about 999 s on two cores, 9.9 GB of memory (measured)."
    code = "import os; block = bytearray(300_000_000); print(os.environ['VQVAE_PROGRESS'])"
    nbformat.write(
        v4.new_notebook(cells=[v4.new_markdown_cell(header), v4.new_code_cell(code)]), path
    )
    before = path.read_bytes()
    nb = execute(path)
    assert path.read_bytes() == before
    assert nb.cells[1].outputs[0].text == "0\n"
    measured = nb.metadata["vqvae"]
    assert 0.3 <= measured["memory_gb"] < 1
    assert measured["seconds"] % 5 == 0
    assert (
        f"about {measured['seconds']} s on two cores, {measured['memory_gb']} GB"
        in nb.cells[0].source
    )


def test_find_by_number(tmp_path):
    for name in ("01_a.ipynb", "02_b.ipynb", "solutions/01_a.ipynb", ".ipynb_checkpoints/01.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert len(find_notebooks([], root=tmp_path)) == 3
    assert [p.name for p in find_notebooks(["1"], root=tmp_path)] == ["01_a.ipynb", "01_a.ipynb"]
    with pytest.raises(FileNotFoundError, match="07"):
        find_notebooks(["07"], root=tmp_path)


def test_a_number_without_notebook_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["42"])
    assert capsys.readouterr().err == "no notebook below chapters for ['42']\n"


def test_missing_result_is_named():
    with pytest.raises(FileNotFoundError, match="name='nothing'"):
        load_result("nothing")


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="notebook is a str: expected what nbformat"):
        normalise("01.ipynb")
    with pytest.raises(TypeError, match=r"path is an? int: expected a path"):
        execute(1)  # open() would take it for a file that is open already
