"""A question with room for a guess, and the place where the guess is answered."""

import html
from typing import Any, ClassVar

import traitlets

from vqvae_lib.course.measured import Number
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["Prediction", "PredictionAnswer"]


class Prediction(CourseWidget):
    """A question before its answer; made by `vqvae_lib.course.predictions`."""

    module: ClassVar[str] = "prediction"
    summary: ClassVar[tuple[str, ...]] = ("key", "question")
    css_class: ClassVar[str] = "vq-prediction"

    key = traitlets.Unicode(help="Name of the question, unique on its page.").tag(sync=True)
    kind = traitlets.Enum(("number", "choice", "curve"), "number").tag(sync=True)
    question = traitlets.Unicode(help="One or two sentences.").tag(sync=True)
    unit = traitlets.Unicode(help="Unit of a number.").tag(sync=True)
    options: Any = traitlets.List(help="Options of a choice.").tag(sync=True)
    step = traitlets.Float(1.0, help="Distance between two numbers.").tag(sync=True)
    points = traitlets.Int(0, help="Points of a curve.").tag(sync=True)
    x_range: Any = traitlets.List(help="Smallest and largest number, or x.").tag(sync=True)
    y_range: Any = traitlets.List(help="Smallest and largest y.").tag(sync=True)
    x_name = traitlets.Unicode(help="What the x axis shows.").tag(sync=True)
    y_name = traitlets.Unicode(help="What the y axis shows.").tag(sync=True)

    def __init__(self, **settings: Any):
        super().__init__(alt=settings["question"], words=_question_words(), **settings)

    def fallback(self) -> str:
        """Write the question and its options, for a page without JavaScript."""
        options = "".join(f"<li>{html.escape(option)}</li>" for option in self.options)
        return (
            f"<p><strong>{html.escape(self.words['title'])}</strong> "
            f"{html.escape(self.question)}</p>{f'<ul>{options}</ul>' if options else ''}"
        )


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
        super().__init__(alt=alt, words=_answer_words(), result=result, **settings)

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


def _question_words() -> dict[str, str]:
    return {
        "title": _("Predict first."),
        "yours": _("Your guess"),
        "commit": _("Commit"),
        "change": _("Change it"),
        "committed": _("You said {guess}. The answer comes further down."),
        "drawn": _("Your curve is kept. The answer comes further down."),
        "go": _("Go there"),
        "missing": _("Give an answer first, then commit."),
        "between": _("A number from {low} to {high}."),
        "draw": _(
            "Draw the curve with mouse or finger, or by keys: left and right choose a point, up "
            "and down move it."
        ),
        "point": _("at {x}: {y}"),
    }


def _answer_words() -> dict[str, str]:
    return {
        "title": _("Back to your guess"),
        "said": _("You said {guess}."),
        "right": _("You said {guess}, and that is right."),
        "cameOut": _("It came out: {result}"),
        "yourCurve": _("Your curve, dashed, and what came out, solid."),
        "trueCurve": _("What came out."),
    }
