"""Results as a reader wants them: the number, its unit, and what to hold it against.

A number that a cell measures is shown as it came out. The range it must lie in is checked when the
number is made, quietly, and stands in the cell for whoever opens it. Digits differ from machine to
machine, so those of a `measured` number are not compared when a notebook is tested; those of an
`exact` one are.

>>> floor = measured("PCA", 0.05271, within=(0.05, 0.06), digits=4)
>>> show(floor, exact("mean image", 0.0736, digits=4), unit="squared error per pixel")
PCA ≈0.0527 · mean image 0.0736 squared error per pixel
"""

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vqvae_lib._checks import check_count, check_flag, check_instance, check_number, check_sequence
from vqvae_lib.course.words import _

__all__ = [
    "Line",
    "Number",
    "OutOfRange",
    "Table",
    "exact",
    "forest_plot",
    "measured",
    "set_range_checks",
    "show",
    "table",
]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# In plain text this sign marks the digits that a test must not compare (tests/nbval.cfg).
ABOUT = "≈"
# The book's style sheet does the rest; JupyterLab has none of ours.
_NUMBER_STYLE = "font-weight:600;font-variant-numeric:tabular-nums"


_checks_ranges = True


class OutOfRange(AssertionError):
    """A measured number lies outside the range that the text around it promises."""


@dataclass(frozen=True, repr=False)
class Number:
    """A result with its label, unit and digits, as `measured` and `exact` make it.

    Attributes
    ----------
    label : str
        What the number is; may be empty in a table.
    value : float
        As it came out.
    unit : str
        Written behind it.
    digits : int
        Decimals to show.
    name : str
        By which prose refers to it, as `[…](#num-name)`; may be empty.
    interval : (float, float) or None
        Ends of an interval, shown in brackets.
    within : (float or None, float or None) or None
        The range that was checked; None for an exact number.
    """

    label: str
    value: float
    unit: str = ""
    digits: int = 3
    name: str = ""
    interval: tuple[float, float] | None = None
    within: tuple[float | None, float | None] | None = None

    @property
    def text(self) -> str:
        """The number with its unit, as it stands in a sentence."""
        return self._write(self.value) + _before_unit(self.unit) + self.unit

    def __repr__(self) -> str:
        mark = ABOUT if self.within is not None else ""
        interval = ""
        if self.interval is not None:
            low, high = (mark + self._write(end) for end in self.interval)
            interval = f" [{low}, {high}]"
        number = f"{mark}{self._write(self.value)}{_before_unit(self.unit)}{self.unit}{interval}"
        return f"{self.label} {number}".strip()

    def _repr_html_(self) -> str:
        return f"{html.escape(self.label)} {self.html}".strip()

    @property
    def html(self) -> str:
        """The number and its unit in HTML, without the label."""
        identity = f' id="num-{self.name}"' if self.name else ""
        if self.within is None:
            span = f'<span class="vq-exact"{identity} style="{_NUMBER_STYLE}">'
        else:
            title = html.escape(_describe_range(self.within, self.digits))
            span = f'<span class="vq-number"{identity} title="{title}" style="{_NUMBER_STYLE}">'
        plain = span.replace(identity, "") if identity else span
        number = f"{span}{self._write(self.value)}</span>"
        number += html.escape(_before_unit(self.unit) + self.unit)
        if self.interval is not None:
            low, high = (f"{plain}{self._write(end)}</span>" for end in self.interval)
            number += f" [{low}, {high}]"
        return number

    def _write(self, value: float) -> str:
        text = f"{value:.{self.digits}f}"
        if float(text) == 0:
            text = text.removeprefix("-")
        return text.replace("-", "−")


def measured(
    label: str,
    value: float,
    *,
    within: tuple[float | None, float | None],
    unit: str = "",
    digits: int = 3,
    name: str = "",
    interval: tuple[float, float] | None = None,
) -> Number:
    """Give a number that this cell has measured, once it is in the range that it must lie in.

    Parameters
    ----------
    label : str
        What the number is, such as `"the trained network"`; empty in a table's column.
    value : float
        As it came out; NumPy's and torch's numbers as well.
    within : (low, high)
        The range that the text around it relies on; None at an end that is open.
    unit : str
        Such as `"nats"` or `"%"`.
    digits : int
        Decimals to show: as many as mean something.
    name : str
        Lower-case words with hyphens, by which prose refers to it: `[…](#num-name)`.
    interval : (low, high), optional
        Ends of an interval to show in brackets.

    Raises
    ------
    OutOfRange
        If the value is not finite or lies outside; the message has label, value and range.
    """
    number = _make(label, value, unit, digits, name, interval)
    ends = check_sequence("within", within, "the two ends of a range, (low, high)")
    if len(ends) != 2:
        raise ValueError(f"within has {len(ends)} items: expected two, (low, high)")
    low, high = (None if end is None else check_number("within", end) for end in ends)
    if low is None and high is None:
        raise ValueError("within=(None, None): expected a range with at least one end")
    if _checks_ranges and low is not None and high is not None and low > high:
        raise ValueError(f"within=({low}, {high}): expected the smaller end first")
    too_low = low is not None and number.value < low
    too_high = high is not None and number.value > high
    outside = (too_low or too_high) and _checks_ranges
    if outside or not math.isfinite(number.value):
        raise OutOfRange(
            _(
                "{label}: {value} is outside the range that the text relies on, {low} to {high}"
            ).format(
                label=label or name or _("a number"),
                value=number.value,
                low="−∞" if low is None else low,
                high="∞" if high is None else high,
            )
        )
    return Number(
        number.label, number.value, unit, number.digits, name, number.interval, (low, high)
    )


def set_range_checks(enabled: bool) -> None:
    """Check the ranges of `measured`, or show numbers wherever they lie.

    What a text says holds for its own data. A reader who runs the cells on other data sees what
    comes out there.

    Parameters
    ----------
    enabled : bool
        Whether `measured` refuses what lies outside its range from here on.
    """
    global _checks_ranges
    _checks_ranges = check_flag("enabled", enabled)


def exact(
    label: str,
    value: float,
    *,
    unit: str = "",
    digits: int = 3,
    name: str = "",
    interval: tuple[float, float] | None = None,
) -> Number:
    """Give a number whose digits are the same everywhere: a closed form, a count, a stored result.

    Parameters
    ----------
    label, value, unit, digits, name, interval
        As in `measured`. The digits are compared when the notebook is tested.

    Raises
    ------
    OutOfRange
        If the value is not finite.
    """
    number = _make(label, value, unit, digits, name, interval)
    if not math.isfinite(number.value):
        raise OutOfRange(_("{label}: {value} is not finite").format(label=label, value=value))
    return number


def _make(
    label: str,
    value: float,
    unit: str,
    digits: int,
    name: str,
    interval: tuple[float, float] | None,
) -> Number:
    check_instance("label", label, str, "what the number is, as text")
    check_instance("unit", unit, str, "a unit, as text")
    check_instance("name", name, str, "lower-case words with hyphens, as text")
    if name and not NAME.fullmatch(name):
        raise ValueError(f"name={name!r}: expected lower-case words with hyphens")
    digits = check_count("digits", digits, least=0)
    ends = None
    if interval is not None:
        items = check_sequence("interval", interval, "its two ends, (low, high)")
        if len(items) != 2:
            raise ValueError(f"interval has {len(items)} items: expected two, (low, high)")
        ends = (check_number("interval", items[0]), check_number("interval", items[1]))
        if ends[0] > ends[1]:
            raise ValueError(f"interval={ends}: expected the smaller end first")
    return Number(label, _read(value), unit, digits, name, ends)


def _read(value: Any) -> float:
    """Read a number that may be infinite or not a number: that is for the range to say."""
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"value is {type(value).__name__}: expected one real number") from None


def _before_unit(unit: str) -> str:
    """Write what stands between a number and its unit: a space that does not break, or nothing."""
    return "" if not unit or unit == "°" else "\u00a0"


def _describe_range(within: tuple[float | None, float | None], digits: int) -> str:
    low, high = within
    if low is None:
        return _("must be at most {high:.{digits}g}").format(high=high, digits=digits + 2)
    if high is None:
        return _("must be at least {low:.{digits}g}").format(low=low, digits=digits + 2)
    return _("must lie between {low:.{digits}g} and {high:.{digits}g}").format(
        low=low, high=high, digits=digits + 2
    )


# Lines --------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Line:
    """Numbers beside each other, as `show` makes it."""

    items: tuple[Number | str, ...]
    unit: str

    def __repr__(self) -> str:
        text = _join(self.items, str)
        return f"{text} {self.unit}".strip()

    def _repr_html_(self) -> str:
        text = _join(self.items, _html_of)
        unit = f" {html.escape(self.unit)}" if self.unit else ""
        return f'<p class="vq-numbers">{text}{unit}</p>'


def show(*items: Number | str, unit: str = "") -> Line:
    """Put results beside each other on one line, to be compared at a glance.

    Parameters
    ----------
    *items : Number or str
        As `measured` and `exact` give them; texts stand as they are.
    unit : str
        The unit that all of them share, written once at the end.

    Returns
    -------
    Line
        Shows itself as a cell's result.
    """
    if not items:
        raise ValueError("show() got nothing to show: expected at least one number")
    for i, item in enumerate(items):
        check_instance(
            f"items[{i}]", item, (Number, str), "what measured or exact gives, or a text"
        )
    check_instance("unit", unit, str, "a unit, as text")
    return Line(items, unit)


def _join(items: Sequence[Number | str], write: Any) -> str:
    """Join with middle dots between numbers, and spaces around texts."""
    text = ""
    for i, item in enumerate(items):
        dot = i > 0 and isinstance(item, Number) and isinstance(items[i - 1], Number)
        text += (" · " if dot else " " if i else "") + write(item)
    return text


def _html_of(item: Number | str) -> str:
    return item._repr_html_() if isinstance(item, Number) else html.escape(item)


# Tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Table:
    """Rows and columns, as `table` makes it: a real table for browsers and screen readers."""

    rows: tuple[tuple[Number | str, ...], ...]
    columns: tuple[str, ...]
    caption: str

    def __repr__(self) -> str:
        # Not padded: numbers may have more or fewer digits elsewhere.
        lines = [" | ".join(self.columns)]
        lines += [" | ".join(str(cell) for cell in row) for row in self.rows]
        return "\n".join(lines + ([self.caption] if self.caption else []))

    def _repr_html_(self) -> str:
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in self.columns)
        body = "".join(
            f'<tr><th scope="row">{_html_of(row[0])}</th>'
            + "".join(f"<td>{_html_of(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<table class="vq-table">{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )


def table(
    rows: Iterable[Sequence[Number | str | int]], *, columns: Sequence[str], caption: str = ""
) -> Table:
    """Show results as a table.

    Parameters
    ----------
    rows : sequence of rows
        Each a sequence of numbers (`measured`, `exact`), texts or whole numbers, as many as there
        are columns. The first is the row's heading.
    columns : sequence of str
        Headings of the columns.
    caption : str
        What the table shows; its first words are its finding.

    Returns
    -------
    Table
        Shows itself as a cell's result.
    """
    headings = check_sequence("columns", columns, "the headings, as texts", least=1)
    for i, heading in enumerate(headings):
        check_instance(f"columns[{i}]", heading, str, "a heading, as text")
    check_instance("caption", caption, str, "what the table shows, as text")
    checked = []
    for i, row in enumerate(check_sequence("rows", rows, "a sequence of rows", least=1)):
        cells = check_sequence(f"rows[{i}]", row, "a sequence of cells")
        if len(cells) != len(headings):
            raise ValueError(
                f"rows[{i}] has {len(cells)} cells: expected {len(headings)}, one for each column"
            )
        for j, cell in enumerate(cells):
            if isinstance(cell, bool) or not isinstance(cell, Number | str | int):
                raise TypeError(
                    f"rows[{i}][{j}] is {type(cell).__name__}: expected a number by measured or "
                    "exact, a text or a whole number"
                )
        checked.append(tuple(c if isinstance(c, Number | str) else str(c) for c in cells))
    return Table(tuple(checked), headings, caption)


# Forest plots -------------------------------------------------------------------------------------


def forest_plot(
    rows: Sequence[Number],
    *,
    alt: str,
    unit: str,
    reference: float = 0.0,
    columns: tuple[str, str] | None = None,
) -> Table:
    """Draw numbers with their intervals below each other, and return the table behind the plot.

    Parameters
    ----------
    rows : sequence of Number
        By `measured` or `exact`, each with an interval.
    alt : str
        What the plot shows, in a sentence.
    unit : str
        Label of the axis.
    reference : float
        Where no difference would be, marked by a line.
    columns : (str, str), optional
        Headings of the table.

    Returns
    -------
    Table
        Label and number with interval of each row.
    """
    from vqvae_lib.course.plotting import COLOURS, figure

    numbers = check_sequence("rows", rows, "a sequence of numbers with intervals", least=1)
    for i, number in enumerate(numbers):
        check_instance(f"rows[{i}]", number, Number, "what measured or exact gives")
        if number.interval is None:
            raise ValueError(f"rows[{i}] ({number.label}) has no interval: give it one")
    check_instance("unit", unit, str, "the axis' label, as text")
    reference = check_number("reference", reference)
    with figure(alt=alt, size=(6.4, 0.9 + 0.36 * len(numbers))) as ax:
        ax.axvline(reference, color=COLOURS["grey"][0], linestyle="--", linewidth=1)
        for height, number in enumerate(reversed(numbers)):
            ax.plot(number.interval, [height, height], color=COLOURS["blue"][0])
            ax.plot(number.value, height, "s", color=COLOURS["blue"][0])
        ax.set_yticks(range(len(numbers)), labels=[n.label for n in reversed(numbers)])
        ax.set(xlabel=unit, ylim=(-0.6, len(numbers) - 0.4))
        ax.grid(visible=False, axis="y")
    headings = columns or ("", _("{unit}, with interval").format(unit=unit))
    without_label = (
        Number("", n.value, n.unit, n.digits, n.name, n.interval, n.within) for n in numbers
    )
    return table(
        [(n.label, cell) for n, cell in zip(numbers, without_label, strict=True)], columns=headings
    )
