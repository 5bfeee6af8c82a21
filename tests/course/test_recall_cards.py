"""Recall cards: their days, their file for Anki, and what stands in the page."""

import csv
import io
import json

import pytest

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import recall_cards as make
from vqvae_lib.course.widgets.recall_cards import RecallCards


def test_all_cards_stand_in_the_page_without_a_script():
    cards = make([("What is $x$ & y?", "A <code>.")], deck="Chapter 1")
    html = cards._repr_mimebundle_()[0]["text/html"]
    assert "<summary>1 recall cards</summary>" in html
    assert r"<dt>What is \(x\) &amp; y?</dt><dd>A &lt;code&gt;.</dd>" in html
    assert state_in_html(cards)["deck"] == "Chapter 1"
    assert repr(cards) == "1 recall cards: Chapter 1"


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ([], "cards"),
        ([("a",)], r"cards\[0\] has 1 sides"),
        ([("a", "b")] * 2, "all fronts different"),
    ],
)
def test_cards_that_are_none_are_refused(cards, message):
    with pytest.raises(ValueError, match=message):
        make(cards, deck="d")


@needs_node
def test_a_known_card_comes_back_later_and_later_and_an_unknown_one_today():
    days, card = [], "null"
    for grade in (1, 1, 1, 2, 0, 1):
        card = json.dumps(in_node("recall_cards", f"schedule({card}, {grade}, 100)"))
        days.append(json.loads(card)["due"] - 100)
    assert days == [1, 3, 7, 35, 0, 1]


@needs_node
def test_a_card_cannot_leave_the_last_box():
    assert in_node("recall_cards", "schedule({ box: 6, due: 0 }, 2, 0)") == {"box": 6, "due": 90}


@needs_node
def test_a_day_is_that_of_the_reader():
    code = "[dayOf(new Date(2026, 0, 2, 0, 1)) - dayOf(new Date(2026, 0, 1, 23, 59))]"
    assert in_node("recall_cards", code) == [1]


@needs_node
def test_anki_reads_the_file():
    cards = [['a "quoted" word', "tab\there\nnewline"], [r"\(x < y\)", "back"]]
    text = in_node("recall_cards", f"ankiText('Deck', {json.dumps(cards)})")
    head, body = text.splitlines()[:4], text.splitlines()[4:]
    assert head == ["#separator:tab", "#html:true", "#notetype:Basic", "#deck:Deck"]
    rows = list(csv.reader(io.StringIO("\n".join(body)), delimiter="\t"))
    assert rows == [['a "quoted" word', "tab here newline"], cards[1]]


def test_all_words_are_translated_and_used(monkeypatch):
    import sys

    module = sys.modules[RecallCards.__module__]
    assert_words_are_used(module, monkeypatch, computed=("again", "good", "easy"))
