r"""Misprints of a formula: what a slip of the pen, or of the keyboard, could have made of it.

Each is a claim in which one thing is changed: a sign, a factor, a number, a bound, a function, a
transpose. A formula is checked as displayed if none of them would have passed in its place.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from vqvae_lib.course.equations.syntax import Claim, Node, Series, tokenise, write
from vqvae_lib.course.words import _

__all__ = ["Misprint", "misprints", "number_alike"]


def N_(message: str) -> str:
    """Mark a message for the catalogue; it is translated when it is shown."""
    return message


@dataclass(frozen=True, eq=False)
class Misprint:
    r"""A claim with one thing changed.

    Attributes
    ----------
    claim : Claim
        As misprinted.
    message : str
        What happened, with a place `{tex}` for the formula's piece, and `{other}` for another.
    tex, other : str
        Those pieces, in LaTeX.
    number : int
        2 for the second misprint of the same description, and so on.
    """

    claim: Claim
    message: str
    tex: str
    other: str = ""
    number: int = 1

    @property
    def description(self) -> str:
        r"""In words, such as `factor \tfrac12 left out`: the key for `unbreakable`."""
        return self._say(self.message, _in_words(self.tex), _in_words(self.other))

    def show(self, typeset: Callable[[str], str]) -> str:
        """Describe it in the reader's language, with the pieces typeset."""
        return self._say(_(self.message), typeset(self.tex), typeset(self.other))

    def _say(self, message: str, tex: str, other: str) -> str:
        text = message.replace("{tex}", tex).replace("{other}", other)
        return text if self.number == 1 else f"{text} ({self.number})"


# What one node may become: the message, the other piece if it names one, and the misprinted node.
Changed = tuple[str, str, str, Node]
LONGEST = 60
# A letter, perhaps with an accent, primes, and an index; tokens have spaces between them.
SYMBOL = re.compile(
    r"(?:\\(?:hat|bar|tilde|overline) )?(\\?\w+(?:\{\w+\})?)(?: ')*(?: _ (?:[^ {]+|\{ [^()]+ \}))?"
)

FUNCTIONS = {
    r"\sin": r"\cos",
    r"\cos": r"\sin",
    r"\sinh": r"\cosh",
    r"\cosh": r"\sinh",
    r"\tan": r"\tanh",
    r"\tanh": r"\tan",
    r"\operatorname{Re}": r"\operatorname{Im}",
    r"\operatorname{Im}": r"\operatorname{Re}",
    r"\operatorname{erf}": r"\operatorname{erfc}",
    r"\operatorname{erfc}": r"\operatorname{erf}",
    r"\operatorname{tr}": r"\det",
    r"\det": r"\operatorname{tr}",
}
TURNED = {
    r"\le": (r"\ge", N_("≤ became ≥ before {tex}")),
    r"\ge": (r"\le", N_("≥ became ≤ before {tex}")),
    "<": (">", N_("< became > before {tex}")),
    ">": ("<", N_("> became < before {tex}")),
}
SOFTENED = {r"\le": "<", "<": r"\le", r"\ge": ">", ">": r"\ge"}


def misprints(
    claim: Claim, names: Iterable[str], is_matrix: Callable[[Node], bool]
) -> list[Misprint]:
    """List the misprints of a claim.

    Parameters
    ----------
    claim : Claim
        As it is displayed.
    names : iterable of str
        The symbols that have values: one may stand in the place of another that looks like it.
    is_matrix : callable
        Whether a node's value is more than one number: only then its order in a product matters.
    """
    rules = _Rules(names, is_matrix)
    found = []
    for i, relation in enumerate(claim.relations):
        if relation != "=":
            turned, message = TURNED[relation]
            changed = claim._replace(relations=_put(claim.relations, i, turned))
            found.append(Misprint(changed, message, claim.sides[i + 1].tex))
    for i, side in enumerate(claim.sides):
        for message, tex, other, node in rules.of(side):
            sides = _put(claim.sides, i, node)
            found.append(Misprint(claim._replace(sides=sides), message, tex, other))
    return found


def number_alike(found: Iterable[Misprint]) -> list[Misprint]:
    """Tell apart misprints of the same description."""
    seen: Counter[str] = Counter()
    numbered = []
    for misprint in found:
        seen[misprint.description] += 1
        numbered.append(replace(misprint, number=seen[misprint.description]))
    return numbered


class _Rules:
    """What may go wrong with each kind of node."""

    def __init__(self, names: Iterable[str], is_matrix: Callable[[Node], bool]):
        self.alike = _alike(names)
        self.is_matrix = is_matrix

    def of(self, node: Node) -> Iterator[Changed]:
        """Misprints of a node itself, and then of its parts."""
        own = getattr(self, "_" + node.kind.replace(" ", "_"), None)
        if own is not None:
            yield from own(node)
        for i, part in enumerate(node.parts):
            if self.has_rules_for(node, i):
                for message, tex, other, changed in self.of(part):
                    yield message, tex, other, replace(node, parts=_put(node.parts, i, changed))

    def has_rules_for(self, node: Node, i: int) -> bool:
        """Leave out what a rule for the whole node says already."""
        part = node.parts[i]
        if node.kind == "power" and i == 1:
            return part.kind != "number"
        if node.kind == "fraction" and i == 0:
            return part.tex != "1"
        return node.kind != "series" or i == 0

    def _sum(self, node: Node) -> Iterator[Changed]:
        for i, sign in enumerate(node.data):
            if sign == "-" and i == 0:
                message = N_("− left out before {tex}")
            elif sign:
                message = (
                    N_("+ became − before {tex}") if sign == "+" else N_("− became + before {tex}")
                )
            else:
                continue
            signs = _put(node.data, i, "+" if sign == "-" else "-")
            yield message, node.parts[i].tex, "", replace(node, data=signs)

    def _product(self, node: Node) -> Iterator[Changed]:
        for i, factor in enumerate(node.parts):
            if factor.tex == "1":
                continue
            rest = node.parts[:i] + node.parts[i + 1 :]
            less = rest[0] if len(rest) == 1 else replace(node, parts=rest)
            yield N_("factor {tex} left out"), factor.tex, "", less
        for i in range(len(node.parts) - 1):
            if self.is_matrix(node.parts[i]) and self.is_matrix(node.parts[i + 1]):
                yield self._exchange(node, i)

    def _kron(self, node: Node) -> Iterator[Changed]:
        for i in range(len(node.parts) - 1):
            if node.parts[i].tex != node.parts[i + 1].tex:
                yield self._exchange(node, i)

    def _exchange(self, node: Node, i: int) -> Changed:
        a, b = node.parts[i : i + 2]
        parts = (*node.parts[:i], b, a, *node.parts[i + 2 :])
        return N_("factors {tex} and {other} exchanged"), a.tex, b.tex, replace(node, parts=parts)

    def _fraction(self, node: Node) -> Iterator[Changed]:
        turned = replace(node, parts=node.parts[::-1])
        yield N_("fraction {tex} turned over"), node.tex, "", turned

    def _number(self, node: Node) -> Iterator[Changed]:
        whole, *decimals = node.data.split(".")
        more = ".".join([str(int(whole) + 1), *decimals])
        changed = replace(node, data=more, tex=more)
        yield N_("{tex} became {other}"), node.tex, more, changed

    def _power(self, node: Node) -> Iterator[Changed]:
        base, exponent = node.parts
        yield N_("exponent {tex} left out of {other}"), exponent.tex, node.tex, base

    def _kron_power(self, node: Node) -> Iterator[Changed]:
        yield from self._power(node)

    def _inverse(self, node: Node) -> Iterator[Changed]:
        yield N_("inverse left out of {tex}"), node.tex, "", node.parts[0]

    def _transpose(self, node: Node) -> Iterator[Changed]:
        message = {
            "transpose": N_("transpose left out of {tex}"),
            "adjoint": N_("dagger left out of {tex}"),
            "conjugate": N_("conjugation left out of {tex}"),
        }[node.data]
        yield message, node.tex, "", node.parts[0]

    def _root(self, node: Node) -> Iterator[Changed]:
        yield N_("root left out of {tex}"), node.tex, "", node.parts[0]

    def _absolute(self, node: Node) -> Iterator[Changed]:
        yield N_("absolute value left out of {tex}"), node.tex, "", node.parts[0]

    def _extreme(self, node: Node) -> Iterator[Changed]:
        other = r"\min" if node.data == r"\max" else r"\max"
        yield N_("{tex} became {other}"), node.data, other, replace(node, data=other)

    def _function(self, node: Node) -> Iterator[Changed]:
        name = node.data
        if name in FUNCTIONS:
            _name, *rest = tokenise(node.tex)
            changed = write([FUNCTIONS[name], *rest])
            other = replace(node, data=FUNCTIONS[name], tex=changed)
            yield N_("{tex} became {other}"), node.tex, changed, other
        elif name in (r"\log", r"\ln"):
            yield N_("logarithm left out of {tex}"), node.tex, "", node.parts[0]

    def _ket(self, node: Node) -> Iterator[Changed]:
        flipped = ("1" if node.data[0] == "0" else "0") + node.data[1:]
        other = node.tex.replace(node.data, flipped)
        yield N_("{tex} became {other}"), node.tex, other, replace(node, data=flipped, tex=other)

    def _bra(self, node: Node) -> Iterator[Changed]:
        yield from self._ket(node)

    def _symbol(self, node: Node) -> Iterator[Changed]:
        if node.data in self.alike:
            other = self.alike[node.data]
            yield N_("{tex} became {other}"), node.data, other, replace(node, data=other, tex=other)

    def _series(self, node: Node) -> Iterator[Changed]:
        series: Series = node.data
        body, *bounds = node.parts
        name = series.names[0]
        if series.relation == "=":
            low, high = bounds
            for i, sign, message in (
                (0, "+", N_("lower bound {tex} became {other}")),
                (1, "-", N_("upper bound {tex} became {other}")),
            ):
                bound = _shifted(bounds[i], sign)
                yield (
                    message,
                    bounds[i].tex,
                    bound.tex,
                    replace(node, parts=(body, *((bound, high) if i == 0 else (low, bound)))),
                )
        elif series.relation:
            other = SOFTENED[series.relation]
            index = f"|{name}|" if series.absolute else name
            before, after = (f"{index} {sign} {bounds[0].tex}" for sign in (series.relation, other))
            changed = replace(node, data=series._replace(relation=other))
            yield N_("{tex} became {other}"), before, after, changed


def _shifted(bound: Node, sign: str) -> Node:
    one = Node("number", (), "1", "1")
    if bound.kind == "number":
        shifted = str(int(bound.data) + (1 if sign == "+" else -1))
        return Node("number", (), shifted, shifted)
    return Node("sum", (bound, one), ("", sign), f"{bound.tex} {sign} 1")


def _alike(names: Iterable[str]) -> dict[str, str]:
    """Give each symbol another one with the same letter, if there is one: hat, prime, index."""
    families: dict[str, list[str]] = {}
    for name in names:
        match = SYMBOL.fullmatch(" ".join(tokenise(name)))
        if match:
            families.setdefault(match[1], []).append(name)
    return {
        name: family[(i + 1) % len(family)]
        for family in families.values()
        if len(family) > 1
        for i, name in enumerate(family)
    }


def _put(items: tuple, i: int, item: object) -> tuple:
    return (*items[:i], item, *items[i + 1 :])


def _in_words(tex: str) -> str:
    tex = re.sub(r"\\le\b", "≤", re.sub(r"\\ge\b", "≥", tex))
    return tex if len(tex) <= LONGEST else f"{tex[:LONGEST]}…"
