"""Recall cards at the end of a chapter, and the days on which they come back."""

import html
from collections.abc import Sequence
from typing import Any, ClassVar

import traitlets

from vqvae_lib._checks import check_instance, check_sequence
from vqvae_lib.course.derivation import escape
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["RecallCards", "recall_cards"]


class RecallCards(CourseWidget):
    """Questions and answers that come back after one day, then three, a week, and so on.

    The schedule stays in the reader's browser. A button gives the cards as a file for Anki.
    """

    module: ClassVar[str] = "recall_cards"
    summary: ClassVar[tuple[str, ...]] = ("deck",)
    css_class: ClassVar[str] = "vq-cards"

    deck = traitlets.Unicode(help="Name of the deck, also in Anki.").tag(sync=True)
    cards: Any = traitlets.List(help="Front and back of each card, as HTML.").tag(sync=True)

    def fallback(self) -> str:
        """List all cards, folded, for a page without JavaScript and for print."""
        pairs = "".join(f"<dt>{front}</dt><dd>{back}</dd>" for front, back in self.cards)
        title = html.escape(_("{n} recall cards").format(n=len(self.cards)))
        return f"<details><summary>{title}</summary><dl>{pairs}</dl></details>"

    def __repr__(self) -> str:
        return _("{n} recall cards: {deck}").format(n=len(self.cards), deck=self.deck)


def recall_cards(cards: Sequence[tuple[str, str]], *, deck: str) -> RecallCards:
    """Make the recall cards of a chapter.

    Parameters
    ----------
    cards : sequence of (str, str)
        Front and back of each; may contain inline mathematics between dollar signs.
    deck : str
        Name of the deck.

    Returns
    -------
    RecallCards
        Shows itself as a cell's result.
    """
    check_instance("deck", deck, str, "the deck's name, as text")
    pairs = []
    for i, card in enumerate(check_sequence("cards", cards, "pairs of texts", least=1)):
        sides = check_sequence(f"cards[{i}]", card, "front and back")
        if len(sides) != 2:
            raise ValueError(f"cards[{i}] has {len(sides)} sides: expected two, front and back")
        for side in sides:
            check_instance(f"cards[{i}]", side, str, "front and back, as texts")
        pairs.append([escape(side) for side in sides])
    if len({front for front, _back in pairs}) < len(pairs):
        raise ValueError("cards: expected all fronts different, since a card is known by its front")
    return RecallCards(
        deck=deck, cards=pairs, alt=_("Recall cards: {deck}").format(deck=deck), words=_words()
    )


def _words() -> dict[str, str]:
    return {
        "title": _("Recall cards"),
        "due": _("{due} of {total} due today."),
        "rest": _("Nothing is due. The next card comes back on {date}."),
        "show": _("Show the answer"),
        "again": _("Again"),
        "good": _("Good"),
        "easy": _("Easy"),
        "practise": _("Practise all"),
        "file": _("Take them along (Anki file)"),
        "keys": _("Keys: space or Enter shows the answer; 1, 2, 3 grade it."),
    }
