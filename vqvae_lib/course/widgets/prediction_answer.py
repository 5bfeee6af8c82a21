"""Back to a guess: what came out, beside what the reader said."""

import html
from typing import Any, ClassVar

import traitlets

from vqvae_lib.course.measured import Number
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["PredictionAnswer"]


class PredictionAnswer(CourseWidget):
    """The answer to a prediction, beside what the reader said."""

    module: ClassVar[str] = "prediction_answer"
    summary: ClassVar[tuple[str, ...]] = ("key",)
    css_class: ClassVar[str] = "vq-prediction vq-answer"

    key = traitlets.Unicode(help="Name of the question.").tag(sync=True)
    kind = traitlets.Enum(("number", "choice", "curve"), "number").tag(sync=True)
    unit = traitlets.Unicode(help="Unit of a number.").tag(sync=True)
    result = traitlets.Unicode(help="The right answer, as HTML.").tag(sync=True)
    option = traitlets.Unicode(help="The right option.").tag(sync=True)
    text = traitlets.Unicode(help="The explanation.").tag(sync=True)
    replies: Any = traitlets.List(help="Words on likely wrong answers.").tag(sync=True)
    curve: Any = traitlets.List(help="The points of the true curve, [xs, ys].").tag(sync=True)
    x_range: Any = traitlets.List(help="Smallest and largest x.").tag(sync=True)
    y_range: Any = traitlets.List(help="Smallest and largest y.").tag(sync=True)
    x_name = traitlets.Unicode(help="What the x axis shows.").tag(sync=True)
    y_name = traitlets.Unicode(help="What the y axis shows.").tag(sync=True)

    def __init__(self, *, number: Number | None = None, **settings: Any):
        self._number = number
        result = html.escape(settings.get("option", ""))
        if number is not None:
            result = number.html
        alt = _("Back to your guess")
        super().__init__(alt=alt, words=_words(), result=result, **settings)

    def fallback(self) -> str:
        """Write the answer, folded, for a page without JavaScript."""
        result = f"<p><strong>{self.result}</strong></p>" if self.result else ""
        replies = "".join(f"<li>{html.escape(reply[-1])}</li>" for reply in self.replies)
        title = html.escape(self.words["title"])
        return (
            f"<details><summary>{title}</summary>{result}<p>{html.escape(self.text)}</p>"
            f"{f'<ul>{replies}</ul>' if replies else ''}</details>"
        )

    def __repr__(self) -> str:
        result = repr(self._number) if self._number is not None else self.option
        return f"{_('Back to your guess')}: {result} {self.text}".replace("  ", " ")


def _words() -> dict[str, str]:
    return {
        "title": _("Back to your guess"),
        "said": _("You said {guess}."),
        "right": _("You said {guess}, and that is right."),
        "cameOut": _("It came out: {result}"),
        "yourCurve": _("Your curve, dashed, and what came out, solid."),
        "trueCurve": _("What came out."),
        "axes": _("{y} against {x}"),
    }
