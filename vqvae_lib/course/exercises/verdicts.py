"""What a check says: right, wrong, or not attempted.

A check returns `Right` or raises `Wrong` or `NotAttempted`; whoever runs it turns either into the
`Verdict` that the learner sees.
"""

import html
import re
from dataclasses import dataclass
from typing import Literal

from vqvae_lib.course.words import _

__all__ = ["NotAttempted", "Right", "Verdict", "Wrong", "format_message"]
# The border has the book's blue, orange or grey; the sign says the same without colour.
_COLOURS = {"right": "#00528f", "wrong": "#c96800", "unattempted": "#6b6b6b"}


@dataclass(frozen=True)
class Right:
    """The answer is right; `notice` points out what it teaches."""

    notice: str


class Wrong(Exception):
    """The answer is wrong: `kind` names the mistake, the message tells the learner."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class NotAttempted(Exception):
    """Nothing has been written yet; the message says where to begin."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What the learner sees below an exercise.

    Attributes
    ----------
    status : {"right", "wrong", "unattempted"}
        The outcome.
    message : str
        What to notice, what to mend, or where to begin.
    kind : str
        Name of the mistake; empty unless the answer is wrong.
    """

    status: Literal["right", "wrong", "unattempted"]
    message: str
    kind: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "right"

    @property
    def _headline(self) -> str:
        return {
            "right": _("✓ Right."),
            "wrong": _("✗ Not yet."),
            "unattempted": _("○ Not attempted."),
        }[self.status]

    def __repr__(self) -> str:
        return f"{self._headline} {self.message}"

    def _repr_html_(self) -> str:
        text = format_message(self.message)
        return (
            f'<div class="vq-verdict vq-{self.status}" role="status" '
            f'style="border-left:4px solid {_COLOURS[self.status]};padding:.4em .9em">'
            f"<strong>{self._headline}</strong> {text}</div>"
        )


def format_message(message: str) -> str:
    """Write a message as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(message))
