"""Questions before their answers: what stands in the page, and what is refused."""

import pytest

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.measured import measured
from vqvae_lib.course.predictions import ask_choice, ask_curve, ask_number
from vqvae_lib.course.widgets import prediction, prediction_answer


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What would be displayed."""
    widgets = []
    import IPython.display

    monkeypatch.setattr(IPython.display, "display", widgets.append)
    return widgets


def html_of(widget):
    return widget._repr_mimebundle_()[0]["text/html"]


def number(value=8):
    return measured("numbers", value, within=(1, 64), digits=0, name="enough")


def test_a_question_is_displayed_and_stands_there_without_a_script(shown):
    guess = ask_number("width", "How <many>?", low=1, high=64, unit="numbers")
    assert shown == [guess.question]
    html = html_of(guess.question)
    assert 'data-vq-widget="prediction"' in html
    assert "How &lt;many&gt;?" in html.split(">", 1)[1]
    assert state_in_html(guess.question)["x_range"] == [1, 64]


def test_options_stand_there_without_a_script():
    guess = ask_choice("which", "Which?", ["a & b", "c"])
    assert "<li>a &amp; b</li><li>c</li>" in html_of(guess.question)


def test_an_answer_is_folded_without_a_script_and_shows_the_measured_number():
    guess = ask_number("width", "How many?", low=1, high=64)
    answer = guess.answer(number(), "Because.", likely=[(1, 3, "Too few.")])
    html = html_of(answer)
    assert "<details><summary>Back to your guess</summary>" in html
    assert 'id="num-enough"' in html.split(">", 1)[1]
    assert "Because." in html
    assert "Too few." in html
    assert repr(answer) == "Back to your guess: numbers ≈8 Because."


def test_an_answer_to_a_choice_is_one_of_its_options():
    guess = ask_choice("which", "Which?", ["a", "b"])
    assert state_in_html(guess.answer("a", "So.", likely={"b": "No."}))["replies"] == [["b", "No."]]
    with pytest.raises(ValueError, match="answer='c': expected one of the options 'a', 'b'"):
        guess.answer("c", "So.")
    with pytest.raises(ValueError, match=r"likely\['a'\]: expected a wrong one"):
        guess.answer("a", "So.", likely={"a": "No."})


def test_an_answer_to_a_curve_is_a_curve():
    guess = ask_curve("wave", "Draw it.", x=(0, 1), y=(0, 2), x_name="x", y_name="y")
    assert state_in_html(guess.answer(([0, 1], [2, 0]), "So."))["curve"] == [[0, 1], [2, 0]]
    with pytest.raises(ValueError, match="2 xs and 1 ys"):
        guess.answer(([0, 1], [2]), "So.")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: ask_number("Two words", "?", low=0, high=1), "key='Two words'"),
        (lambda: ask_number("a", "?", low=1, high=1), "low=1, high=1"),
        (lambda: ask_number("a", "?", low=0, high=1, step=0), "step=0"),
        (lambda: ask_choice("a", "?", ["one"]), "options"),
        (lambda: ask_choice("a", "?", ["one", "one"]), "expected all different"),
        (lambda: ask_curve("a", "?", x=(1, 0), y=(0, 1), x_name="x", y_name="y"), r"x=\(1, 0\)"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(ask, message, shown):
    with pytest.raises(ValueError, match=message):
        ask()
    assert not shown


@pytest.mark.parametrize("likely", [[(3, 1, "x")], [(1, 2)], [(1, 2, 3)], 5])
def test_likely_wrong_answers_are_ranges_with_words(likely):
    guess = ask_number("width", "How many?", low=1, high=64)
    with pytest.raises((ValueError, TypeError), match="likely"):
        guess.answer(number(), "So.", likely=likely)


@needs_node
def test_a_guess_gets_the_word_for_the_range_that_it_lies_in():
    replies = '[[1, 3, "few"], [16, 64, "many"]]'
    said = [in_node("prediction_answer", f"reply('number', {replies}, {g})") for g in (1, 3, 8, 16)]
    assert said == ["few", "few", "", "many"]
    assert in_node("prediction_answer", "reply('choice', [['a', 'no']], 'a')") == "no"
    assert in_node("prediction_answer", f"reply('number', {replies}, null)") == ""


@pytest.mark.parametrize("module", [prediction, prediction_answer])
def test_all_words_are_translated_and_used(module, monkeypatch):
    # The names of the axes are asked for in the part that both scripts share.
    assert_words_are_used(module, monkeypatch, computed=("axes",))
