r"""Check an equation as it is displayed, and try every misprint of it."""

import html
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vqvae_lib._checks import check_flag, check_instance, check_number
from vqvae_lib.course.compare import RTOL, Disagreement, is_symbolic, show
from vqvae_lib.course.derivation import DerivationError, check_label, escape
from vqvae_lib.course.equations.arrays import Misfit
from vqvae_lib.course.equations.evaluate import Case
from vqvae_lib.course.equations.misprints import Misprint, misprints, number_alike
from vqvae_lib.course.equations.syntax import Claim, FormulaError, Node, parse, read_key
from vqvae_lib.course.words import _

__all__ = ["EquationCheck", "check_equation"]

# Two neighbours of a chain, and the relation between them.
Link = tuple[Node, str, Node]


@dataclass(frozen=True, repr=False)
class EquationCheck:
    """An equation that holds as displayed, as `check_equation` returns it; shows itself as a line.

    Attributes
    ----------
    label : str
        Label of the equation.
    route : str
        Where the values come from.
    kinds : tuple of str
        How each of its steps was checked.
    caught : tuple of Misprint
        Misprints that would have been noticed.
    accepted : tuple of (Misprint, str)
        Misprints that would not, each with the reason.
    """

    label: str
    route: str
    kinds: tuple[str, ...]
    caught: tuple[Misprint, ...]
    accepted: tuple[tuple[Misprint, str], ...]

    def __repr__(self) -> str:
        how = ", ".join(dict.fromkeys(self.kinds))
        return _("{label} holds: {steps} ({how}), {caught}; {route}").format(
            label=self.label, steps=self._steps(), how=how, caught=self._caught(), route=self.route
        )

    def _repr_html_(self) -> str:
        words = html.escape(self.label.removeprefix("eq-").replace("-", " "))
        # A summary is a button already: it names the equation, and the link stands in the text.
        number = f'<span data-vq-number="{self.label}">{words}</span>'
        link = f'<span class="vq-eq" data-vq-eq="{self.label}">{words}</span>'
        summary = _("{label} holds ✓ {steps}, {caught}").format(
            label=number, steps=self._steps(), caught=self._caught()
        )
        how = ", ".join(dict.fromkeys(self.kinds))
        text = f"<p>{link}: {escape(self.route)} ({html.escape(how)})</p>"
        text += _list(
            _("Misprints that were tried, and would have been noticed:"),
            [misprint.show(_mark) for misprint in self.caught],
        )
        text += _list(
            _("And those that change nothing:"),
            [f"{misprint.show(_mark)} ({reason})" for misprint, reason in self.accepted],
        )
        return (
            f'<details class="vq-check" data-vq-proves="{self.label}"><summary>{summary}</summary>'
            f"{text}</details>"
        )

    def _steps(self) -> str:
        n = len(self.kinds)
        return _("1 step") if n == 1 else _("{n} steps").format(n=n)

    def _caught(self) -> str:
        return _("{caught} of {n} misprints caught").format(
            caught=len(self.caught), n=len(self.caught) + len(self.accepted)
        )


def check_equation(
    label: str,
    formula: str,
    values: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    route: str,
    rtol: float = RTOL,
    unbreakable: Mapping[str, str] | None = None,
    attained: bool | str = True,
) -> EquationCheck:
    r"""Check an equation as it is displayed.

    The formula is evaluated on both sides of each relation, and so is every misprint of it: a
    flipped sign, a lost factor, a shifted bound. The equation must hold in all cases, and each
    misprint must fail in one. An inequality that is nowhere an equality any more has failed too.

    Parameters
    ----------
    label : str
        Label of the equation, `eq-…`.
    formula : str
        What stands in its block of mathematics, in LaTeX.
    values : mapping, or several of them
        From symbols in LaTeX to values: numbers, arrays, tensors, SymPy expressions, Monte Carlo
        estimates. Several mappings are several cases. Items are counted from 1: with
        `{r"\lambda": array}`, $\lambda_1$ is the first. What the grammar does not know is a symbol
        as a whole, such as `r"\mathbb E[x \mid y]"`. A key with argument places, `r"o(\cdot)"`,
        has a function as its value; one like `r"\mathbb E_q[\cdot]"` takes averages of `Samples`.
        A `range` tells how far an index runs.
    route : str
        In words, where the values of the two sides come from.
    rtol : float
        Tolerance, relative to the largest entry of two sides.
    unbreakable : mapping, optional
        From descriptions of misprints that cannot be noticed to reasons.
    attained : True or str
        An inequality must be an equality in one case at least; or why it cannot.

    Returns
    -------
    EquationCheck
        Shows itself in one line.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or the values do not fit it.
    DerivationError
        If the equation does not hold, if a misprint holds as well, if one of `unbreakable` does
        not, or if an inequality is not attained.
    """
    check_label(label)
    check_instance("formula", formula, str, "the formula in LaTeX, as text")
    check_instance("route", route, str, "where the values come from, in words")
    if not route.strip():
        raise ValueError("route is empty: expected where the values come from, in words")
    check_number("rtol", rtol, least=0, below=1)
    accepted = _read_reasons(unbreakable)
    if not isinstance(attained, str):
        if not check_flag("attained", attained):
            raise ValueError("attained=False: expected True, or the reason as text")
        attained = True
    mappings = _read_cases(values)
    symbols = [name for name, value in mappings[0].items() if not isinstance(value, range)]
    claims = parse(formula, symbols)
    _refuse_unchecked(claims)
    _refuse_unused(claims, mappings[0])
    cases = [Case(mapping) for mapping in mappings]

    kinds: list[str] = []
    for claim in claims:
        kinds += _check_claim(label, claim, cases, rtol)
    _check_attained(label, claims, cases, rtol, attained)

    plain = [name for name in symbols if not callable(mappings[0][name])]
    tried = number_alike(
        misprint
        for claim in claims
        for misprint in misprints(claim, plain, lambda node: _is_matrix(cases[0], node))
    )
    if not tried:
        raise FormulaError(_("{label}: nothing in it could be misprinted").format(label=label))
    tight = attained is True
    true = {link for claim in claims for link in _links(claim)}
    survivors = [m for m in tried if _holds(m.claim, true, cases, rtol, tight)]
    _check_survivors(label, tried, survivors, accepted)
    return EquationCheck(
        label,
        route,
        tuple(kinds),
        tuple(misprint for misprint in tried if misprint not in survivors),
        tuple((misprint, accepted[misprint.description]) for misprint in survivors),
    )


def _check_claim(label: str, claim: Claim, cases: list[Case], rtol: float) -> list[str]:
    """Check each link of a chain in all cases; name the kinds."""
    kinds = []
    for left, relation, right in _links(claim):
        for number, case in enumerate(cases, start=1):
            try:
                kind = case.holds(left, right, relation, rtol, prove=True)
            except (Disagreement, Misfit) as error:
                where = _(", case {number}").format(number=number) if len(cases) > 1 else ""
                raise DerivationError(
                    _(
                        "{label}{where} does not hold: {left} {relation} {right}\n"
                        "  left  {a}\n  right {b}\n  {detail}"
                    ).format(
                        label=label,
                        where=where,
                        left=left.tex,
                        relation=relation,
                        right=right.tex,
                        a=_worth(case, left),
                        b=_worth(case, right),
                        detail=error,
                    )
                ) from None
        kinds.append(kind)
    return kinds


def _check_attained(
    label: str, claims: Iterable[Claim], cases: list[Case], rtol: float, attained: bool | str
) -> None:
    """Each inequality is an equality somewhere, or there is a reason; no reason without need."""
    loose = [
        f"{left.tex} {relation} {right.tex}"
        for claim in claims
        for left, relation, right in _find_loose(claim, cases, rtol)
    ]
    if loose and attained is True:
        raise DerivationError(
            _(
                "{label}: in no case are the two sides equal: {loose}\n"
                "  add a case in which they are, or say why there is none by attained="
            ).format(label=label, loose="; ".join(loose))
        )
    if not loose and attained is not True:
        raise DerivationError(
            _("{label}: attained={reason!r}, but every inequality is attained").format(
                label=label, reason=attained
            )
        )


def _find_loose(claim: Claim, cases: list[Case], rtol: float) -> list[Link]:
    """List the inequalities of a chain that are an equality in no case."""
    return [
        (left, relation, right)
        for left, relation, right in _links(claim)
        if relation in (r"\le", r"\ge")
        and not any(case.is_attained(left, right, rtol) for case in cases)
    ]


def _check_survivors(
    label: str, tried: list[Misprint], survivors: list[Misprint], accepted: Mapping[str, str]
) -> None:
    unnoticed = [m.description for m in survivors if m.description not in accepted]
    if unnoticed:
        raise DerivationError(
            _(
                "{label} holds, but so would it with a misprint:\n  {misprints}\n"
                "Values in which the difference shows catch it; what cannot be caught is listed "
                "in unbreakable=, with the reason."
            ).format(label=label, misprints="\n  ".join(unnoticed))
        )
    caught = {m.description for m in tried} - {m.description for m in survivors}
    for description in accepted:
        if description in caught:
            problem = _("this misprint is caught")
        elif description not in {m.description for m in survivors}:
            problem = _("there is no such misprint")
        else:
            continue
        raise DerivationError(
            _("{label}: unbreakable[{description!r}]: {problem}").format(
                label=label, description=description, problem=problem
            )
        )


def _holds(
    claim: Claim, true: Collection[Link], cases: list[Case], rtol: float, tight: bool
) -> bool:
    """Whether a misprinted claim holds in all cases, and its bounds are as tight as claimed."""
    try:
        for left, relation, right in _links(claim):
            if (left, relation, right) not in true:  # a misprint leaves the other links alone
                for case in cases:
                    case.holds(left, right, relation, rtol, prove=False)
    except (Disagreement, Misfit):
        return False
    # A weaker bound than the one claimed holds too, but nothing attains it.
    return not (tight and _find_loose(claim, cases, rtol))


def _links(claim: Claim) -> Iterator[Link]:
    """Give each two neighbours of a chain with the relation between them."""
    for (left, right), relation in zip(pairwise(claim.sides), claim.relations, strict=True):
        yield left, relation, right


def _is_matrix(case: Case, node: Node) -> bool:
    return case.shapes.get(node, (1, 1)) != (1, 1)


def _worth(case: Case, node: Node) -> str:
    try:
        return show(case.plain(node))
    except Misfit:
        return _("cannot be evaluated")


# Arguments ----------------------------------------------------------------------------------------


def _read_cases(values: Any) -> list[Mapping[str, Any]]:
    expected = "a mapping from LaTeX to values, or several of them"
    cases = [values] if isinstance(values, Mapping) else values
    if isinstance(cases, str | bytes) or not isinstance(cases, Iterable):
        check_instance("values", values, (Mapping, list), expected)
    cases = list(cases)
    if not cases:
        raise ValueError("values is empty: expected one case at least")
    for i, case in enumerate(cases):
        check_instance(f"values[{i}]" if len(cases) > 1 else "values", case, Mapping, expected)
        if case.keys() != cases[0].keys():
            different = ", ".join(map(str, case.keys() ^ cases[0].keys()))
            raise ValueError(f"values[{i}] and values[0] do not have the same keys: {different}")
        for name, value in case.items():
            _check_value(name, value)
    keys: dict[tuple[str, ...], str] = {}
    for name in cases[0]:
        other = keys.setdefault(read_key(name).tokens, name)
        if other != name:
            raise FormulaError(
                _("values has the same symbol twice: {one} and {other}").format(
                    one=name, other=other
                )
            )
    return cases


def _check_value(name: Any, value: Any) -> None:
    check_instance("values: a key", name, str, "a symbol in LaTeX, as text")
    places = read_key(name).places
    if callable(value) and not is_symbolic(value):
        if not places:
            raise FormulaError(
                _("values[{name!r}] is a function: its key needs argument places, \\cdot").format(
                    name=name
                )
            )
    elif places:
        raise FormulaError(
            _("values[{name!r}] is {kind}: a key with \\cdot has a function").format(
                name=name, kind=type(value).__name__
            )
        )
    if isinstance(value, bool | str | bytes | None | Mapping | set):
        raise TypeError(
            f"values[{name!r}] is {type(value).__name__}: expected a number, an array, "
            "an expression, an estimate or a function"
        )


def _read_reasons(unbreakable: Any) -> dict[str, str]:
    if unbreakable is None:
        return {}
    check_instance("unbreakable", unbreakable, Mapping, "a mapping from misprints to reasons")
    for description, reason in unbreakable.items():
        check_instance("unbreakable: a key", description, str, "a misprint's description")
        check_instance(f"unbreakable[{description!r}]", reason, str, "the reason, as text")
        if not reason.strip():
            raise ValueError(f"unbreakable[{description!r}] is empty: expected a reason")
    return dict(unbreakable)


def _refuse_unchecked(claims: Iterable[Claim]) -> None:
    """Two values of their own that are equal say nothing about what is displayed."""
    for claim in claims:
        for (left, right), relation in zip(pairwise(claim.sides), claim.relations, strict=True):
            if relation == "=" and left.kind == right.kind == "symbol":
                raise FormulaError(
                    _(
                        "{left} = {right}: each side is one symbol, so nothing that is displayed "
                        "would be checked; give values of what one of them is made of"
                    ).format(left=left.tex, right=right.tex)
                )


def _refuse_unused(claims: Iterable[Claim], values: Mapping[str, Any]) -> None:
    used: set[str] = set()

    def collect(node: Node) -> None:
        if node.kind in ("symbol", "call"):
            used.add(node.data)
        if node.kind == "series":
            used.update(node.data.names)
        for part in node.parts:
            collect(part)

    for claim in claims:
        for side in claim.sides:
            collect(side)
    unused = [name for name in values if name not in used]
    if unused:
        raise FormulaError(
            _("values has what the formula does not: {names}").format(names=", ".join(unused))
        )


# Showing ------------------------------------------------------------------------------------------


def _list(title: str, items: list[str]) -> str:
    if not items:
        return ""
    return f"<p>{html.escape(title)}</p><ul>{''.join(f'<li>{escape(i)}</li>' for i in items)}</ul>"


def _mark(tex: str) -> str:
    return f"${tex}$" if tex else ""
