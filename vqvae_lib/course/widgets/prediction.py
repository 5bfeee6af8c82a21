"""A question with room for the reader's guess."""

import html
from typing import Any, ClassVar

import traitlets

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["Prediction"]


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
        super().__init__(alt=settings["question"], words=_words(), **settings)

    def fallback(self) -> str:
        """Write the question and its options, for a page without JavaScript."""
        options = "".join(f"<li>{html.escape(option)}</li>" for option in self.options)
        return (
            f"<p><strong>{html.escape(self.words['title'])}</strong> "
            f"{html.escape(self.question)}</p>{f'<ul>{options}</ul>' if options else ''}"
        )


def _words() -> dict[str, str]:
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
        "axes": _("{y} against {x}"),
    }
