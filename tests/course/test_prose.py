"""Numbers in prose: filled in from outputs and committed results, and nothing else changed."""

import nbformat
import pytest

from vqvae_lib.course.measured import exact, measured, show
from vqvae_lib.course.notebooks import fill_numbers
from vqvae_lib.course.prose import fill_links, find_links, find_numbers, read_result
from vqvae_lib.course.results import load_result

HTML = show(
    measured("a", -0.05, within=(-1, 0), digits=2, name="floor"), exact("b", 3, digits=0, name="n")
)._repr_html_()


def test_numbers_are_found_as_they_are_shown():
    assert find_numbers(HTML) == {"floor": "−0.05", "n": "3"}


def test_a_name_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match="two numbers are named 'floor'"):
        find_numbers(HTML + HTML)


def test_links_are_filled_and_the_rest_of_the_text_stays():
    text = "It is [?](#num-floor) nats, [see](#section) and [3](#num-n)."
    filled = fill_links(text, find_numbers(HTML))
    assert filled == "It is [−0.05](#num-floor) nats, [see](#section) and [3](#num-n)."
    assert find_links(filled) == [("floor", "−0.05"), ("n", "3")]
    assert fill_links(filled, find_numbers(HTML)) == filled


def test_an_unknown_number_is_named():
    with pytest.raises(KeyError, match=r"#num-x: no cell shows .* there are: floor, n"):
        fill_links("[1](#num-x)", find_numbers(HTML))


def test_a_notebook_s_text_gets_the_numbers_of_its_outputs():
    cell = nbformat.v4.new_code_cell("show(...)")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": HTML})]
    text = nbformat.v4.new_markdown_cell("[?](#num-n) of them")
    notebook = nbformat.v4.new_notebook(cells=[text, cell])
    assert fill_numbers(notebook).cells[0].source == "[3](#num-n) of them"


def test_a_committed_result_is_read_by_its_path():
    gap = load_result("digit_writers")["leak"]["folds"]["test"]["image minus writer"]["mean"]
    path = "digit_writers/leak/folds/test/image minus writer/mean/.1f"
    assert float(read_result(path)) == pytest.approx(gap, abs=0.05)
    with pytest.raises(KeyError, match=r"there is no 'fold'; there are: .*folds"):
        read_result("digit_writers/leak/fold/.1f")
    with pytest.raises(FileNotFoundError):
        read_result("nothing/x/.1f")
