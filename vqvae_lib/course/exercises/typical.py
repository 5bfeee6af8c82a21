"""Typical wrong answers to an exercise, with what its check replies.

On a page without a kernel nobody can try an answer; a reader can still see what the check would
say. The replies are those of the check itself, given when the notebook runs.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vqvae_lib._checks import check_instance
from vqvae_lib.course.exercises.verdicts import Verdict, format_message
from vqvae_lib.course.words import _

__all__ = ["TypicalAnswers", "typical_answers"]

DECIMAL = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, repr=False)
class TypicalAnswers:
    """Wrong answers in words, each with its reply; shows itself folded.

    Attributes
    ----------
    replies : tuple of (str, str)
        What the answer does, and what the check says to it.
    """

    replies: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        # The decimals of a trained model differ from machine to machine (tests/nbval.cfg).
        lines = (f"{words} – {DECIMAL.sub(_mark, reply)}" for words, reply in self.replies)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(
            f"<dt>{html.escape(words)}</dt><dd>{DECIMAL.sub(_span, format_message(reply))}</dd>"
            for words, reply in self.replies
        )
        title = html.escape(_("Typical wrong answers, and what the check says to them"))
        return f'<details class="vq-typical"><summary>{title}</summary><dl>{items}</dl></details>'


def typical_answers(check: Callable[..., Verdict], answers: Mapping[str, Any]) -> TypicalAnswers:
    """Show wrong answers with the replies of the check.

    Parameters
    ----------
    check : callable
        Such as `check.ex_01_2`.
    answers : mapping
        From a description of what is wrong, in a sentence, to the answer; a tuple where the check
        takes several arguments.

    Returns
    -------
    TypicalAnswers
        Shows itself as a cell's result.

    Raises
    ------
    ValueError
        If the check does not call an answer wrong.
    """
    if not callable(check):
        raise TypeError(f"check is {type(check).__name__}: expected one such as check.ex_01_2")
    check_instance("answers", answers, Mapping, "a mapping from descriptions to wrong answers")
    replies = []
    for words, answer in answers.items():
        check_instance("answers: a key", words, str, "what is wrong, in a sentence")
        verdict = check(*answer) if isinstance(answer, tuple) else check(answer)
        if verdict.status != "wrong":
            raise ValueError(f"{words!r}: expected a wrong answer, but the check says: {verdict}")
        replies.append((words, verdict.message))
    if not replies:
        raise ValueError("answers is empty: expected at least one wrong answer")
    return TypicalAnswers(tuple(replies))


def _mark(number: re.Match[str]) -> str:
    return f"≈{number[0]}"


def _span(number: re.Match[str]) -> str:
    return f'<span class="vq-number">{number[0]}</span>'
