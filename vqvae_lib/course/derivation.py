r"""Derivations that run: a chain of steps, each verified by a second route.

A step is a formula and its *value*, computed by code of its own: a SymPy expression, a number, an
array, or a Monte Carlo estimate. `derive` compares the value of each step with that of the step
before it. If two disagree it raises an error that names the step and both values; if all agree it
returns an aligned derivation, which shows itself in the book and in JupyterLab alike.

>>> import sympy as sp
>>> a, b = sp.symbols("a b", real=True)
>>> derive(
...     "eq-square",
...     start(r"(a + b)^2", (a + b) ** 2),
...     equals(r"a^2 + 2ab + b^2", a**2 + 2 * a * b + b**2, because="multiply out"),
... )
eq-square: 1 step verified (1 symbolically)
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vqvae_lib._checks import check_choice, check_instance, check_number
from vqvae_lib.course.compare import RTOL, Disagreement, compare, show
from vqvae_lib.course.words import _
from vqvae_lib.metrics import Estimate

__all__ = [
    "Derivation",
    "DerivationError",
    "Estimate",
    "at_least",
    "at_most",
    "derive",
    "equals",
    "start",
    "verify",
]


class DerivationError(AssertionError):
    """A step does not follow from the one before it."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation, as `start`, `equals`, `at_most` and `at_least` return it."""

    tex: str
    value: Any
    relation: str
    because: str
    rtol: float

    def __post_init__(self) -> None:
        check_instance("tex", self.tex, str, "a formula in LaTeX, as text")
        check_instance("because", self.because, str, "the reason, as text")
        check_number("rtol", self.rtol, least=0, below=1)


def start(tex: str, value: Any) -> Step:
    """Begin a derivation with the left-hand side `tex`, whose value is `value`."""
    return Step(tex, value, "", "", RTOL)


def equals(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    """Go on to an equal expression.

    Parameters
    ----------
    tex : str
        The formula, in LaTeX, without the relation sign.
    value : SymPy expression, number, array or Estimate
        Its value, computed independently of the step before it.
    because : str
        Why it follows; may contain inline mathematics between dollar signs.
    rtol : float
        Tolerance, relative to the largest entry of the two values.
    """
    return Step(tex, value, "=", because, rtol)


def at_most(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    r"""Go on to an expression that is at least as large: the line reads ``\le tex``."""
    return Step(tex, value, r"\le", because, rtol)


def at_least(tex: str, value: Any, *, because: str, rtol: float = RTOL) -> Step:
    r"""Go on to an expression that is at most as large: the line reads ``\ge tex``."""
    return Step(tex, value, r"\ge", because, rtol)


@dataclass(frozen=True, repr=False)
class Derivation:
    """A verified chain of steps; shows itself as an aligned derivation."""

    label: str
    steps: tuple[Step, ...]
    routes: tuple[str, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {route}" for route, n in Counter(self.routes).items())
        n = len(self.routes)
        steps = _("1 step verified") if n == 1 else _("{n} steps verified").format(n=n)
        return f"{self.label}: {steps} ({counts})"

    def _repr_html_(self) -> str:
        rows = "".join(self._rows())
        aria = html.escape(_("Derivation of {label}").format(label=self.label))
        return (
            f'<div class="vq-derivation" id="derivation-{self.label}" '
            f'data-vq-proves="{self.label}" role="group" aria-label="{aria}">'
            f'<table style="border-collapse:collapse"><tbody>{rows}</tbody></table></div>'
        )

    def _rows(self) -> Iterator[str]:
        cell = "padding:.35em .6em .35em 0;vertical-align:middle;text-align:left"
        lhs = f'<td class="vq-lhs" style="{cell};text-align:right">'
        first, *rest = self.steps
        left = f"{lhs}{_typeset(first.tex)}</td>"
        for step, route in zip(rest, self.routes, strict=True):
            note = _("checked {route}").format(route=route)
            yield (
                f'<tr class="vq-step" style="background:none">{left}'
                f'<td class="vq-rhs" style="{cell}">{_typeset(f"{step.relation} {step.tex}")}</td>'
                f'<td class="vq-reason" style="{cell}">{escape(step.because)} '
                f'<small class="vq-checked">✓ {html.escape(note)}</small></td></tr>'
            )
            left = f"{lhs}</td>"


def derive(label: str, *steps: Step) -> Derivation:
    """Verify a chain of steps, and return the derivation to show.

    Parameters
    ----------
    label : str
        Label of the equation that the chain proves, `eq-…`.
    *steps : Step
        `start(…)`, then at least one of `equals`, `at_most`, `at_least`. Each is compared with
        the step before it: SymPy expressions symbolically (at random points where SymPy cannot
        decide), numbers and arrays to `rtol`, estimates within four standard errors. That the
        values are computed independently is the author's duty; nothing here can see it.

    Returns
    -------
    Derivation
        Shows itself in a notebook and in the book.

    Raises
    ------
    DerivationError
        At the first step that does not hold, naming the step and both values.
    ValueError
        If the label or the chain is malformed.
    """
    check_label(label)
    for number, step in enumerate(steps):
        check_instance(f"steps[{number}]", step, Step, "what start, equals or the like give")
    if len(steps) < 2 or steps[0].relation or not all(step.relation for step in steps[1:]):
        raise ValueError(f"{label}: expected start(…) and then at least one further step")
    routes = []
    for number, (previous, step) in enumerate(pairwise(steps), start=1):
        try:
            routes.append(compare(previous.value, step.value, step.relation, step.rtol))
        except Disagreement as disagreement:
            raise DerivationError(
                _(
                    "{label}, step {number} does not hold.\n"
                    "  from   {before}\n  to     {relation} {after}\n  reason {because}\n"
                    "  values {left}\n     and {right}\n  {detail}"
                ).format(
                    label=label,
                    number=number,
                    before=previous.tex,
                    relation=step.relation,
                    after=step.tex,
                    because=step.because or "–",
                    left=show(previous.value),
                    right=show(step.value),
                    detail=disagreement,
                )
            ) from None
    return Derivation(label, steps, tuple(routes))


def check_label(label: str) -> None:
    """Refuse what is not the label of a claim."""
    check_instance("label", label, str, "the label of an equation, as text")
    if not re.fullmatch(r"eq-[a-z0-9-]+", label):
        raise ValueError(f"label={label!r}: expected 'eq-' and lower-case words with hyphens")


@dataclass(frozen=True, repr=False)
class Verification:
    """An equation that an independent route confirms; shows itself as one line."""

    label: str
    route: str
    kind: str

    def __repr__(self) -> str:
        return _("{label} holds: {route} ({how})").format(
            label=self.label, route=self.route, how=self.kind
        )

    def _repr_html_(self) -> str:
        return (
            f'<div class="vq-derivation vq-verified" data-vq-proves="{self.label}">'
            f"✓ {escape(repr(self))}</div>"
        )


def verify(
    label: str,
    claimed: Any,
    independent: Any,
    *,
    route: str,
    relation: str = "=",
    rtol: float = RTOL,
) -> Verification:
    r"""Check one equation against an independent route, without a chain to show.

    Parameters
    ----------
    label : str
        Label of the equation, `eq-…`.
    claimed, independent : SymPy expression, number, array or Estimate
        The equation's value, and that of the other route.
    route : str
        The other route in words, such as `"quadrature"`.
    relation : {"=", "\\le", "\\ge"}
        How `claimed` relates to `independent`.
    rtol : float
        As in `equals`.

    Returns
    -------
    Verification
        Shows itself in one line.

    Raises
    ------
    DerivationError
        If the two disagree.
    """
    check_instance("route", route, str, "the other route in words")
    check_choice("relation", relation, ("=", r"\le", r"\ge"))
    step = Step(_("independently: {route}").format(route=route), independent, relation, "", rtol)
    chain = derive(label, start(_("as claimed"), claimed), step)
    return Verification(label, route, chain.routes[0])


# Showing ------------------------------------------------------------------------------------------


def _typeset(tex: str) -> str:
    return rf"\(\displaystyle {html.escape(tex)}\)"


def escape(text: str) -> str:
    r"""Escape, and turn ``$…$`` into ``\(…\)``, which the book and JupyterLab both typeset."""
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", html.escape(text))
