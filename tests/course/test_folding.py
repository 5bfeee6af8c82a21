"""Which cells are folded, and what stands on the line that unfolds them."""

import nbformat
import pytest

from vqvae_lib.course import widgets
from vqvae_lib.course.folding import WIDGETS, describe_fold
from vqvae_lib.course.notebooks import normalise

FIRST_CELL = "".join(f"import {name}\n" for name in ("copy", "math", "time", "torch", "sympy"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "import torch\nfrom torch import nn\n\nBLUE, N = 1, 2\ntorch.set_num_threads(1)",
            "Imports",
        ),
        ("import torch\n\nmodel = torch.nn.Linear(1, 1)", ""),
        (FIRST_CELL + "data = vq.load_digits()\n\n\ndef seeded(s):\n    return s", "Imports"),
        (FIRST_CELL + "for i in range(3):\n    print(i)", ""),
        ("with figure(alt='A line.') as ax:\n    ax.plot([1])", "How this was drawn"),
        ("image_grid(x, alt='Digits.')", "How this was drawn"),
        ("LatentPlane(decoder)", "How this was drawn"),
        ("x = 1\ncheck_equation('eq-a', 'x = 1', {'x': x}, route='r')", "How this was checked"),
        ("x = 1\nderive('eq-a', start('a', 1))", "How this was checked"),
        ("derive('eq-a', start('a', 1))\nx = 1", ""),
        ("show(measured('a', 1, within=(0, 2)))", "How this was measured"),
        ("guess = ask_number('a', 'How many?', low=1, high=2)", "How this is asked"),
        ("guess.answer(number, 'So many.')", "How this is answered"),
        ("recall_cards([('a', 'b')], deck='c')", "How these cards are written"),
        ("typical_answers(check.ex_01_1, {'None.': 0})", "How these answers were tried"),
        ("def f():\n    ...\n\n\ncheck.ex_01_1(f)", ""),
        ("%matplotlib inline\nimport torch", ""),
        ("x = = 1", ""),
        ("", ""),
    ],
)
def test_what_a_cell_does_decides(source, words):
    assert describe_fold(source) == words


def test_every_interactive_figure_is_known():
    classes = {name for name in widgets.__all__ if name[0].isupper()}
    others = {"CourseWidget", "Prediction", "PredictionAnswer", "RecallCards"}
    assert classes - others == WIDGETS


def notebook_of(*cells):
    return normalise(nbformat.v4.new_notebook(cells=list(cells)))


def test_the_normal_form_folds_in_the_book_and_in_jupyterlab():
    caption = {"figure": {"caption": "A line.", "name": "fig-01-line"}}
    cell = nbformat.v4.new_code_cell("image_grid(x, alt='a')", metadata={"mystnb": caption})
    (folded,) = notebook_of(cell).cells
    assert folded.metadata == {
        "tags": ["hide-input"],
        "mystnb": {**caption, "code_prompt_show": "How this was drawn"},
        "jupyter": {"source_hidden": True},
    }
    assert notebook_of(folded).cells[0].metadata == folded.metadata


def test_what_an_author_folds_stays_folded_and_what_is_removed_stays_so():
    by_hand = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["hide-input"]})
    removed = nbformat.v4.new_code_cell("import torch", metadata={"tags": ["remove-cell"]})
    first, second = notebook_of(by_hand, removed).cells
    assert first.metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert second.metadata == {"tags": ["remove-cell"]}


def test_side_roads_are_collapsed_in_jupyterlab():
    side, main = notebook_of(
        nbformat.v4.new_markdown_cell("### Deeper: a leak\n\nText."),
        nbformat.v4.new_markdown_cell("### Digging deeper\n\nText."),
    ).cells
    assert side.metadata == {"jp-MarkdownHeadingCollapsed": True}
    assert main.metadata == {}
