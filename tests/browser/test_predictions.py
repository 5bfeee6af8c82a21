"""Predictions and recall cards in a page of their own: committed, kept, answered."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_texts_apart
from vqvae_lib.course.measured import exact
from vqvae_lib.course.predictions import ask_choice, ask_curve, ask_number
from vqvae_lib.course.widgets import recall_cards


class Together:
    """Several figures on one page."""

    def __init__(self, *widgets):
        self.widgets = widgets

    def _repr_mimebundle_(self):
        parts = (widget._repr_mimebundle_()[0]["text/html"] for widget in self.widgets)
        return {"text/html": "".join(parts)}, {}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Questions are shown in the browser, not here."""
    import IPython.display

    monkeypatch.setattr(IPython.display, "display", lambda widget: None)


@pytest.fixture
def asked(show):
    """Open a page with a question and its answer: asked("number", width=390)."""

    def opened(kind, **options):
        if kind == "number":
            guess = ask_number("width", "How many numbers?", low=1, high=64, unit="numbers")
            answer = guess.answer(
                exact("", 8, digits=0, name="enough"),
                "An eighth is enough.",
                likely=[(1, 3, "Too few."), (16, 64, "Too many.")],
            )
        elif kind == "choice":
            guess = ask_choice("which", "Which rows?", ["all", "none", "one"])
            answer = guess.answer("one", "Only one.", likely={"all": "Not the box."})
        else:
            guess = ask_curve(
                "wave", "Draw it.", x=(0, 180), y=(0, 6), x_name="angle (degrees)", y_name="loss"
            )
            answer = guess.answer(([0, 90, 180], [2, 5, 2]), "A wave.")
        return show(Together(guess.question, answer), **options)

    return opened


@pytest.mark.parametrize("kind", ["number", "choice", "curve"])
@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_starts_fits_and_is_accessible(asked, kind, width, scheme):
    visit = asked(kind, width=width, scheme=scheme)
    page = visit.page
    assert page.locator("[data-vq-ready=yes]").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not re.search(r"\{\w+\}|undefined|NaN|null", page.locator("main").inner_text())
    for drawing in page.locator("svg").all():
        assert_texts_apart(drawing)
    visit.assert_clean()
    visit.assert_accessible()


def test_a_number_is_committed_answered_and_kept(asked):
    page = asked("number").page
    question, answer = page.locator(".vq-prediction").all()
    expect(answer).to_contain_text("It came out: 8")
    expect(answer).not_to_contain_text("You said")
    page.get_by_role("spinbutton", name="Your guess").fill("3")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(question).to_contain_text("You said 3 numbers.")
    expect(answer).to_contain_text("You said 3 numbers. Too few.")
    expect(page.get_by_role("spinbutton", name="Your guess")).to_be_disabled()
    page.reload()
    expect(page.locator(".vq-answer")).to_contain_text("You said 3 numbers. Too few.")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator(".vq-answer")).not_to_contain_text("You said")
    page.get_by_role("spinbutton", name="Your guess").fill("8")
    page.get_by_role("button", name="Commit").click()
    expect(page.locator(".vq-answer")).to_contain_text("You said 8 numbers.")


@pytest.mark.parametrize("said", ["", "0", "65"])
def test_what_is_no_answer_is_not_committed(asked, said):
    page = asked("number").page
    page.get_by_role("spinbutton", name="Your guess").fill(said)
    page.get_by_role("button", name="Commit").click()
    expect(page.get_by_role("status").first).to_have_text("Give an answer first, then commit.")
    expect(page.get_by_role("spinbutton", name="Your guess")).to_be_focused()


def test_the_link_leads_to_the_answer(asked):
    page = asked("number").page
    page.get_by_role("spinbutton", name="Your guess").fill("20")
    page.get_by_role("button", name="Commit").click()
    page.get_by_role("link", name="Go there").click()
    assert page.evaluate("document.querySelector(':target').textContent") == "Back to your guess"


@pytest.mark.parametrize(
    ("option", "said"),
    [("all", "You said “all”. Not the box."), ("one", "You said “one”, and that is right.")],
)
def test_a_choice_is_answered_with_its_word(asked, option, said):
    page = asked("choice").page
    page.get_by_label(option, exact=True).check()
    page.get_by_role("button", name="Commit").click()
    expect(page.locator(".vq-answer")).to_contain_text(said)


def heights(page, selector):
    """The vertical places of a drawn path."""
    path = page.locator(selector).get_attribute("d")
    return [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]


def test_a_curve_is_drawn_by_mouse_and_laid_over_the_true_one(asked):
    page = asked("curve").page
    sheet = page.locator(".vq-sheet")
    box = sheet.bounding_box()
    flat = heights(page, ".vq-sheet path")
    assert max(flat) - min(flat) < 0.1
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*at(0.1, 0.8))
    page.mouse.down()
    page.mouse.move(*at(0.5, 0.2))
    page.mouse.move(*at(0.95, 0.8))
    page.mouse.up()
    drawn = heights(page, ".vq-sheet path")
    assert min(drawn) == min(drawn[10:15]) < flat[0] < drawn[2]
    page.get_by_role("button", name="Commit").click()
    expect(page.locator(".vq-answer")).to_contain_text("Your curve, dashed")
    assert heights(page, ".vq-answer path[stroke-dasharray]") == pytest.approx(drawn, abs=2)


def test_a_curve_is_drawn_by_keys(asked):
    page = asked("curve").page
    page.locator(".vq-sheet").focus()
    before = heights(page, ".vq-sheet path")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    after = heights(page, ".vq-sheet path")
    assert [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [
        2
    ]
    assert after[2] < before[2]
    expect(page.locator(".vq-predict p[aria-live]").first).to_have_text("at 15: 3.3")


def test_without_a_script_question_and_answer_stand_there(asked):
    page = asked("choice", java_script_enabled=False).page
    expect(page.locator(".vq-prediction").first).to_contain_text("Which rows?")
    answer = page.locator(".vq-answer details")
    expect(answer).not_to_have_attribute("open", "")
    answer.locator("summary").click()
    expect(answer).to_contain_text("one")


# Recall cards -------------------------------------------------------------------------------------


@pytest.fixture
def cards(show):
    """Open a page with three cards."""

    def opened(**options):
        pairs = [("One?", "1"), ("Two?", "2"), ("Three?", "3")]
        return show(recall_cards(pairs, deck="Chapter 1: numbers"), **options)

    return opened


@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cards_fit_and_are_accessible(cards, width, scheme):
    visit = cards(width=width, scheme=scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.assert_clean()
    visit.assert_accessible()


def test_cards_are_learned_by_keys_and_come_back_on_their_day(cards):
    page = cards().page
    page.clock.install(time="2026-03-01T09:00:00")
    page.reload()
    recall = page.locator(".vq-recall")
    expect(recall).to_contain_text("3 of 3 due today.")
    page.get_by_role("button", name="Show the answer").focus()
    for grade in "122":  # the first card is not known, and comes again
        page.keyboard.press("Enter")
        page.keyboard.press(grade)
    expect(recall).to_contain_text("1 of 3 due today.")
    expect(recall).to_contain_text("One?")
    page.keyboard.press("Space")
    expect(recall.locator(".vq-back")).to_have_text("1")
    page.keyboard.press("3")
    expect(recall).to_contain_text("Nothing is due. The next card comes back on March 2.")
    page.clock.set_fixed_time("2026-03-02T07:00:00")
    page.reload()
    expect(recall).to_contain_text("2 of 3 due today.")
    page.clock.set_fixed_time("2026-03-20T07:00:00")
    page.reload()
    expect(recall).to_contain_text("3 of 3 due today.")


def test_cards_can_be_taken_to_anki(cards):
    page = cards().page
    with page.expect_download() as download:
        page.get_by_role("link", name="Anki").click()
    assert download.value.suggested_filename == "chapter-1-numbers.txt"
    text = download.value.path().read_text("utf-8")
    assert text.splitlines()[3:5] == ["#deck:Chapter 1: numbers", '"One?"\t"1"']


def test_without_a_script_all_cards_stand_there(cards):
    page = cards(java_script_enabled=False).page
    page.locator("summary").click()
    expect(page.locator("dl")).to_contain_text("Three?")
