"""Captions in JupyterLab: found by the cell that runs, in the notebook that is open."""

import types

import IPython
import nbformat
import pytest

from vqvae_lib.course.captions import find_caption


@pytest.fixture
def running(monkeypatch, tmp_path):
    """A kernel that runs a cell of a notebook: running("second")."""
    cells = [nbformat.v4.new_markdown_cell("Text.", id="text")]
    for name, caption in (
        ("first", "A <line>."),
        ("bare", ""),
        ("second", r"The wave of {eq}`eq-plane-loss`, for $d = 2$, beside {numref}`fig-01-pca`."),
    ):
        figure = {"figure": {"caption": caption, "name": f"fig-01-{name}"}} if caption else {}
        cells.append(nbformat.v4.new_code_cell("", id=name, metadata={"mystnb": figure}))
    path = tmp_path / "01_autoencoders.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)

    def run(cell, notebook=path):
        parent = {"metadata": {"cellId": cell} if cell else {}}
        kernel = types.SimpleNamespace(get_parent=lambda: parent)
        monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=kernel))
        monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))

    return run


def test_a_figure_finds_its_caption_and_its_number(running):
    running("first")
    assert find_caption() == '<p class="vq-caption"><b>Fig. 1.1</b> A &lt;line&gt;.</p>'
    running("second")
    expected = r"<b>Fig. 1.2</b> The wave of plane loss, for \(d = 2\), beside pca."
    assert expected in find_caption()


def test_where_it_cannot_be_known_there_is_none(running, monkeypatch, tmp_path):
    for cell in ("bare", "unknown", ""):
        running(cell)
        assert find_caption() == ""
    running("first", notebook=tmp_path / "gone.ipynb")
    assert find_caption() == ""
    (tmp_path / "damaged.ipynb").write_text('{"cells": [1]}')
    running("first", notebook=tmp_path / "damaged.ipynb")
    assert find_caption() == ""
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert find_caption() == ""
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert find_caption() == ""
