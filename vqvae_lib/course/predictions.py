"""Predictions: the reader commits to an answer before the page shows it.

`ask_number`, `ask_choice` and `ask_curve` put a question on the page. The guess stays in the
reader's browser. Further down `Guess.answer` shows what came out, beside what the reader said and
with a word on the likely wrong answers. Without JavaScript there is the question, and the answer
folded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqvae_lib._checks import check_instance, check_number, check_sequence
from vqvae_lib.course.measured import NAME, Number
from vqvae_lib.course.widgets.prediction import Prediction
from vqvae_lib.course.widgets.prediction_answer import PredictionAnswer

__all__ = ["Guess", "ask_choice", "ask_curve", "ask_number"]

# The digits of a number are the reader's; of a curve so many points are drawn.
CURVE_POINTS = 25


@dataclass(frozen=True)
class Guess:
    """A question that has been asked, and can be answered.

    Attributes
    ----------
    question : Prediction
        The question as it stands on the page.
    """

    question: Prediction

    def answer(
        self,
        answer: Number | str | tuple[Sequence[float], Sequence[float]],
        text: str,
        *,
        likely: Any = (),
    ) -> PredictionAnswer:
        """Come back to the guess: what came out, why, and what a likely wrong answer overlooks.

        Parameters
        ----------
        answer : Number, str or (xs, ys)
            To a question about a number what `measured` or `exact` gives, to a choice the right
            option, to a curve its points.
        text : str
            The explanation, for everybody.
        likely : sequence of (low, high, str), or mapping from option to str
            A word for readers whose guess lies from low to high, or who chose this option.

        Returns
        -------
        PredictionAnswer
            Shows itself as a cell's result.
        """
        check_instance("text", text, str, "the explanation, as text")
        question = self.question
        shared: dict[str, Any] = {
            "key": question.key,
            "kind": question.kind,
            "unit": question.unit,
            "text": text,
        }
        if question.kind == "number":
            check_instance("answer", answer, Number, "what measured or exact gives")
            assert isinstance(answer, Number)
            return PredictionAnswer(number=answer, replies=_read_ranges(likely), **shared)
        if question.kind == "choice":
            options = ", ".join(map(repr, question.options))
            if answer not in question.options:
                raise ValueError(f"answer={answer!r}: expected one of the options {options}")
            check_instance("likely", likely or {}, Mapping, "a mapping from options to texts")
            for option in likely:
                if option not in question.options or option == answer:
                    raise ValueError(f"likely[{option!r}]: expected a wrong one of {options}")
            replies = [[option, said] for option, said in dict(likely).items()]
            return PredictionAnswer(option=answer, replies=replies, **shared)
        xs, ys = (
            [
                check_number(f"answer[{i}]", value)
                for value in check_sequence("answer", row, "numbers")
            ]
            for i, row in enumerate(check_sequence("answer", answer, "two rows, (xs, ys)"))
        )
        if len(xs) != len(ys) or len(xs) < 2:
            raise ValueError(f"answer: {len(xs)} xs and {len(ys)} ys, expected as many, 2 or more")
        return PredictionAnswer(
            curve=[xs, ys], x_range=question.x_range, y_range=question.y_range,
            x_name=question.x_name, y_name=question.y_name, **shared,
        )  # fmt: skip


def ask_number(
    key: str, question: str, *, low: float, high: float, step: float = 1, unit: str = ""
) -> Guess:
    """Ask for a number before it is shown.

    Parameters
    ----------
    key : str
        Lower-case words with hyphens, unique in the chapter.
    question : str
        One or two sentences.
    low, high, step : float
        The smallest and the largest number that can be given, and the distance between two.
    unit : str
        Written behind the number.

    Returns
    -------
    Guess
        To be answered later; the question is displayed.
    """
    low, high = check_number("low", low), check_number("high", high)
    if low >= high:
        raise ValueError(f"low={low:g}, high={high:g}: expected the smaller number first")
    check_instance("unit", unit, str, "a unit, as text")
    step = check_number("step", step, above=0)
    return _ask(key, question, "number", x_range=[low, high], step=step, unit=unit)


def ask_choice(key: str, question: str, options: Sequence[str]) -> Guess:
    """Ask for a choice before the right one is shown.

    Parameters
    ----------
    key, question : str
        As in `ask_number`.
    options : sequence of str
        Two or more, all different.
    """
    names = list(check_sequence("options", options, "the options, as texts", least=2))
    for i, name in enumerate(names):
        check_instance(f"options[{i}]", name, str, "an option, as text")
    if len(set(names)) < len(names):
        raise ValueError(f"options: expected all different, got {names}")
    return _ask(key, question, "choice", options=names)


def ask_curve(
    key: str,
    question: str,
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    x_name: str,
    y_name: str,
) -> Guess:
    """Ask for a curve, drawn by hand or by keys, before the true one is shown.

    Parameters
    ----------
    key, question : str
        As in `ask_number`.
    x, y : (float, float)
        Ends of the two axes.
    x_name, y_name : str
        What the axes show, with units.
    """
    ranges = {}
    for name, value in (("x", x), ("y", y)):
        ends = [check_number(name, end) for end in check_sequence(name, value, "(low, high)")]
        if len(ends) != 2 or ends[0] >= ends[1]:
            raise ValueError(f"{name}={value}: expected the two ends of an axis, smaller first")
        ranges[f"{name}_range"] = ends
    for name, text in (("x_name", x_name), ("y_name", y_name)):
        check_instance(name, text, str, "what the axis shows, as text")
    return _ask(key, question, "curve", **ranges, x_name=x_name, y_name=y_name, points=CURVE_POINTS)


def _ask(key: str, question: str, kind: str, **settings: Any) -> Guess:
    from IPython.display import display

    check_instance("key", key, str, "lower-case words with hyphens")
    if not NAME.fullmatch(key):
        raise ValueError(f"key={key!r}: expected lower-case words with hyphens")
    check_instance("question", question, str, "the question, as text")
    widget = Prediction(key=key, question=question, kind=kind, **settings)
    display(widget)
    return Guess(widget)


def _read_ranges(likely: Any) -> list[list[Any]]:
    ranges = []
    for i, item in enumerate(check_sequence("likely", likely, "ranges with texts")):
        parts = check_sequence(f"likely[{i}]", item, "(low, high, text)")
        if len(parts) != 3:
            raise ValueError(f"likely[{i}] has {len(parts)} parts: expected (low, high, text)")
        low, high = (check_number(f"likely[{i}]", end) for end in parts[:2])
        check_instance(f"likely[{i}][2]", parts[2], str, "a word for these readers, as text")
        if low > high:
            raise ValueError(f"likely[{i}]: from {low:g} to {high:g}, expected the smaller first")
        ranges.append([low, high, parts[2]])
    return ranges
