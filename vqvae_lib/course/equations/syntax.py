r"""The LaTeX of the course's equations as syntax trees.

A formula is read as a mathematician reads it: juxtaposition is a product, $\log$ and $\sin$ take
the factors that follow, sizes and spaces mean nothing. Symbols are whatever `values` has a key for:
the longest key that stands at a place is read as one symbol, so that $\mathbb E[x \mid y]$ may be
one. A key may have argument places, written `\cdot`: then it is read as a call. What could be read
in two ways is refused.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from vqvae_lib.course.words import _

__all__ = [
    "Claim",
    "FormulaError",
    "Key",
    "Node",
    "Series",
    "parse",
    "read_key",
    "tokenise",
    "write",
]


class FormulaError(ValueError):
    """A formula cannot be read, or its values do not fit it."""


@dataclass(frozen=True, eq=False)
class Node:
    """A piece of a formula.

    Attributes
    ----------
    kind : str
        Such as `"sum"`: what it is.
    parts : tuple of Node
        What it is made of.
    data : object
        What else belongs to it: signs, a name, a number.
    tex : str
        How it is written.
    """

    kind: str
    parts: tuple["Node", ...] = ()
    data: Any = None
    tex: str = ""


class Series(NamedTuple):
    r"""What stands under a $\sum$ or $\prod$: indices, and how they relate to the bounds."""

    operator: str
    names: tuple[str, ...]
    relation: str = ""  # "=" from the first bound to the second; "" over all there are
    absolute: bool = False  # |j| <= bound


class Claim(NamedTuple):
    """A chain of expressions with relations between them."""

    sides: tuple[Node, ...]
    relations: tuple[str, ...]


class Key(NamedTuple):
    """A key of `values`: as its author wrote it, and as it is looked for."""

    name: str
    tokens: tuple[str, ...]

    @property
    def places(self) -> int:
        """The number of its argument places."""
        return self.tokens.count(PLACE)


# Tokens -------------------------------------------------------------------------------------------

PLACE = r"\cdot"
FONTS = r"\\(?:mathcal|mathrm|mathsf|mathbb|mathbf|boldsymbol|operatorname\*?|text)"
TOKEN = re.compile(
    rf"({FONTS})(?![A-Za-z])\s*(?:\{{([^{{}}]*)\}}|([A-Za-z]))"  # a font and its letters
    r"|\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.|\S",
    re.S,
)
IGNORED = re.compile(
    r"\\(?:[,;:! ]|left|right|middle|[bB]igg?[lrm]?|quad|textstyle|displaystyle|limits)|~"
)
ARROWS = {r"\Rightarrow", r"\Longrightarrow", r"\implies"}
RELATIONS = {
    "=": "=",
    **{r"\le": r"\le", r"\leq": r"\le", r"\ge": r"\ge", r"\geq": r"\ge"},
    **{"<": "<", r"\lt": "<", ">": ">", r"\gt": ">"},
}
UNCHECKED = {r"\approx", r"\in", r"\sim", r"\propto", r"\equiv", r"\ne", r"\neq", r"\to"}


def tokenise(tex: str) -> list[str]:
    """Split LaTeX into tokens, without what only sets sizes and spaces."""
    tex = re.sub(r"\\phantom\{[^{}]*\}", "", tex)
    tokens: list[str] = []
    for match in TOKEN.finditer(tex):
        font, braced, letter = match.groups()
        token = f"{font}{{{braced if letter is None else letter}}}" if font else match[0]
        if not IGNORED.fullmatch(token):
            tokens.append(token)
    # Braces around one token, or none, say nothing: \frac{1}{2} is \frac12.
    plain: list[str] = []
    for token in tokens:
        if token == "}" and plain[-1:] == ["{"]:
            plain.pop()
        elif token == "}" and plain[-2:-1] == ["{"]:
            del plain[-2]
        else:
            plain.append(token)
    return plain


def write(tokens: Sequence[str]) -> str:
    """Write tokens as LaTeX that people can read."""
    text = ""
    for token in tokens:
        if (token in RELATIONS or token in ("+", "-", PLACE)) and text and text[-1] not in "([{^_":
            text += f" {token} "
        elif token == ",":
            text += ", "
        elif re.search(r"\\[A-Za-z]+$", text) and token[0].isalpha():
            text += f" {token}"
        else:
            text += token
    return " ".join(text.split())


def read_key(name: str) -> Key:
    """Read a key of `values`.

    Raises
    ------
    FormulaError
        If there is nothing in it.
    """
    tokens = tuple(tokenise(name))
    if not tokens or tokens[0] == PLACE:
        raise FormulaError(_("values[{name!r}]: expected a symbol in LaTeX").format(name=name))
    return Key(name, tokens)


# Claims -------------------------------------------------------------------------------------------


def parse(formula: str, names: Iterable[str]) -> tuple[Claim, ...]:
    r"""Read a formula.

    Parameters
    ----------
    formula : str
        What stands in a block of mathematics: one claim, or several with `\qquad` or an arrow
        between them, or an aligned chain. $\pm$ claims two things.
    names : iterable of str
        The keys of `values`: LaTeX of the symbols, with `\cdot` at argument places.

    Returns
    -------
    tuple of Claim

    Raises
    ------
    FormulaError
        Quoting the place that cannot be read.
    """
    keys = [read_key(name) for name in names]
    # The longest first, and of two as long the one without argument places.
    keys.sort(key=lambda key: (key.places - len(key.tokens), key.places))
    claims = []
    for tokens in _split(tokenise(formula)):
        for upper, lower in (("+", "-"), ("-", "+")):
            signs = {r"\pm": upper, r"\mp": lower}
            claims.append(_Parser([signs.get(token, token) for token in tokens], keys).claim())
            if not signs.keys() & set(tokens):
                break
    if not claims:
        raise FormulaError(_("formula={formula!r}: expected a relation").format(formula=formula))
    return tuple(claims)


def _split(tokens: list[str]) -> list[list[str]]:
    """Take a block apart into its claims."""
    tokens = _strip(tokens)
    if tokens[:1] == [r"\begin{aligned}"] and tokens[-1:] == [r"\end{aligned}"]:
        tokens = _join_rows(tokens[1:-1])
    claims: list[list[str]] = [[]]
    for token in tokens:
        if token in ARROWS or token == r"\qquad":
            claims.append([])
        else:
            claims[-1].append(token)
    return [claim for claim in map(_strip, claims) if claim]


def _join_rows(tokens: list[str]) -> list[str]:
    """Join the rows of an aligned block: one that begins with `&` goes on with the chain."""
    joined: list[str] = []
    depth, begins = 0, True
    for token in tokens:
        depth += token.startswith(r"\begin") - token.startswith(r"\end")
        if depth == 0 and token == r"\\":
            joined, begins = _strip(joined), True
            continue
        if depth == 0 and token == "&":
            begins = False
            continue
        if begins and joined:
            joined.append(r"\qquad")
        begins = False
        joined.append(token)
    return joined


def _strip(tokens: list[str]) -> list[str]:
    """Drop the punctuation at the end."""
    while tokens and tokens[-1] in {",", ".", ";"}:
        tokens = tokens[:-1]
    return tokens


# Expressions --------------------------------------------------------------------------------------

FUNCTIONS = (
    *(r"\sin", r"\cos", r"\tan", r"\sinh", r"\cosh", r"\tanh", r"\arcsin", r"\arccos", r"\arctan"),
    *(r"\log", r"\ln", r"\exp", r"\operatorname{erf}", r"\operatorname{erfc}"),
    *(r"\operatorname{tr}", r"\det", r"\operatorname{rank}"),
    *(r"\operatorname{Re}", r"\operatorname{Im}"),
)
BRACKETS = {"(": ")", "[": "]", "{": "}", r"\{": r"\}"}
SIZES = {"|": "|", r"\lvert": r"\rvert", r"\lVert": r"\rVert", r"\|": r"\|"}
FRACTIONS = (r"\frac", r"\tfrac", r"\dfrac")
TRANSPOSES = {
    **dict.fromkeys((r"\mathsf{T}", r"\mathrm{T}", r"\top", r"\intercal", "T"), "transpose"),
    r"\dagger": "adjoint",
    **dict.fromkeys(("*", r"\ast"), "conjugate"),
}
# No factor begins with one of these.
CLOSING = {
    *(*BRACKETS.values(), r"\rvert", r"\rVert", r"\rangle", r"\end{pmatrix}", r"\end{bmatrix}"),
    *("+", "-", "/", PLACE, r"\times", r"\otimes", "^", "_", "'", ",", ";", ":", "&", r"\\"),
    *(*RELATIONS, *UNCHECKED),
}
ENDS_AN_ARGUMENT = {*FUNCTIONS, r"\ket", r"\bra", r"\max", r"\min"}


class _Parser:
    """A parser by recursive descent: one method for each thing that can stand somewhere."""

    def __init__(self, tokens: list[str], keys: list[Key]):
        self.tokens = tokens
        self.keys = keys
        self.at = 0
        self.awaited: list[str] = []  # the closing delimiters, the innermost last
        self.bound: list[str] = []  # the indices of the sums around

    # A whole claim.

    def claim(self) -> Claim:
        sides, relations = [self.expression()], []
        while self.at < len(self.tokens):
            relation = self.tokens[self.at]
            if relation in UNCHECKED:
                self.fail(_("{token} cannot be checked: expected =, ≤, ≥, < or >"))
            if relation not in RELATIONS:
                self.fail(_("{token} was not expected here"))
            self.at += 1
            if self.tokens[self.at :] in ([r"\dots"], [r"\cdots"], [r"\ldots"]):
                break
            relations.append(RELATIONS[relation])
            sides.append(self.expression())
        if not relations:
            raise FormulaError(
                _("formula: expected a relation, such as =: {tex}").format(tex=write(self.tokens))
            )
        return Claim(tuple(sides), tuple(relations))

    # Sums, products, factors.

    def expression(self) -> Node:
        start = self.at
        signs: list[str] = []
        terms: list[Node] = []
        while not terms or self.peek() in ("+", "-"):
            signs.append(self.take("+", "-"))
            terms.append(self.term())
            self.skip_words()
        if signs == [""]:
            return terms[0]
        return self.node("sum", start, *terms, data=tuple(signs))

    def term(self) -> Node:
        r"""Read a Kronecker product: $\otimes$ binds less than juxtaposition."""
        start, parts = self.at, [self.product()]
        while self.take(r"\otimes"):
            parts.append(self.product())
        return parts[0] if len(parts) == 1 else self.node("kron", start, *parts)

    def product(self) -> Node:
        start = self.at
        factors = [self.factor()]
        while True:
            if self.take(PLACE, r"\times") or self.begins_factor():
                factors.append(self.factor())
            elif self.take("/"):
                above = self.as_product(start, factors)
                factors = [self.node("fraction", start, above, self.factor())]
                if self.begins_factor():
                    self.fail(_("is {token} below the fraction bar? Write it with \\frac"))
            else:
                return self.as_product(start, factors)

    def as_product(self, start: int, factors: list[Node]) -> Node:
        return factors[0] if len(factors) == 1 else self.node("product", start, *factors)

    def factor(self) -> Node:
        """Read one factor with its indices and powers."""
        self.skip_words()
        start = self.at
        node = self.primary()
        while self.peek() in ("_", "^"):
            if self.take("_"):
                node = self.node("index", start, node, *self.script(self.indices))
            else:
                self.at += 1
                node = self.raise_to_script(start, node)
        return node

    def raise_to_script(self, start: int, base: Node) -> Node:
        token = self.peek()
        if token in TRANSPOSES and not self.has_key():
            self.at += 1
            return self.node("transpose", start, base, data=TRANSPOSES[token])
        if self.tokens[self.at : self.at + 2] == ["{", r"\otimes"]:
            self.at += 2
            exponent = self.expression()
            self.expect("}")
            return self.node("kron power", start, base, exponent)
        exponent = self.argument()
        if exponent.kind == "sum" and exponent.tex == "-1":
            return self.node("inverse", start, base)
        return self.node("power", start, base, exponent)

    def primary(self) -> Node:
        start, token = self.at, self.peek()
        found = self.symbol()
        if found is not None:
            return found
        if token.isdigit():
            while self.peek().isdigit() or self.is_decimal_point():
                self.at += 1
            return self.node("number", start, data="".join(self.tokens[start : self.at]))
        if token in BRACKETS:
            return self.bracket()
        if token in SIZES:
            return self.size()
        if token in FUNCTIONS:
            return self.function()
        self.at += 1
        if token in FRACTIONS:
            return self.node("fraction", start, self.argument(), self.argument())
        if token == r"\sqrt":
            return self.root(start)
        if token in (r"\sum", r"\prod"):
            return self.series(start, token)
        if token in (r"\max", r"\min") and self.peek() == "(":
            return self.node("extreme", start, *self.list_in("("), data=token)
        if token in (r"\underbrace", r"\overbrace"):
            inner = self.argument()
            if self.take("_", "^"):
                self.skip_argument()
            return inner
        if token in (r"\begin{pmatrix}", r"\begin{bmatrix}"):
            return self.matrix(start, token.replace("begin", "end"))
        if token in (r"\ket", r"\bra"):
            return self.ket(start, token)
        if token == r"\langle":
            return self.bra_ket(start)
        if token == "e" and self.peek() == "^":
            self.at += 1
            return self.node("function", start, self.argument(), data=r"\exp")
        if token == r"\pi" or (token == "i" and "i" not in self.bound):
            return self.node("constant", start, data=token)
        if token in self.bound:
            return self.node("bound", start, data=token)
        self.at -= 1
        self.fail(_("the end came too soon") if not token else _("{token} is not in values"))

    # Things with an inside.

    def bracket(self) -> Node:
        """Read what stands in brackets; several things with commas between them are a vector."""
        start = self.at
        parts = self.list_in(self.peek())
        if len(parts) > 1:
            return self.node("vector", start, *parts)
        # The same thing, written with its brackets.
        return self.node(parts[0].kind, start, *parts[0].parts, data=parts[0].data)

    def list_in(self, opening: str) -> list[Node]:
        closing = self.enter(opening, BRACKETS[opening])
        parts = [self.expression()]
        while self.take(","):
            parts.append(self.expression())
        self.leave(closing)
        return parts

    def size(self) -> Node:
        """Read an absolute value or a norm."""
        start, opening = self.at, self.peek()
        closing = self.enter(opening, SIZES[opening])
        inner = self.expression()
        self.leave(closing)
        kind = "absolute" if opening in ("|", r"\lvert") else "norm"
        return self.node(kind, start, inner)

    def root(self, start: int) -> Node:
        if self.peek() == "[":
            self.fail(_("only square roots are known"))
        return self.node("root", start, self.argument())

    def function(self) -> Node:
        start, name = self.at, self.peek()
        self.at += 1
        power = self.argument() if self.take("^") else None
        argument = self.function_argument(name)
        if power is None:
            return self.node("function", start, argument, data=name)
        value = Node("function", (argument,), name, write([name, *tokenise(argument.tex)]))
        return self.node("power", start, value, power)

    def function_argument(self, name: str) -> Node:
        """Read the factors up to the next function; what could be meant in two ways is refused."""
        if self.peek() in ("(", "["):
            argument = self.bracket()
            if self.peek() in ("^", "_"):
                self.fail(_("does {token} belong to the argument or to the value?"))
            return argument
        start = self.at
        first = self.peek()
        factors = [self.factor()]
        while first not in FUNCTIONS and self.begins_factor():
            if self.peek() in ENDS_AN_ARGUMENT:
                break
            if self.peek() in ("(", "[") and not self.has_key():
                self.fail(_("does {token} belong to the function's argument? Use brackets"))
            factors.append(self.factor())
        if self.peek() in ("/", PLACE):
            self.fail(_("does {token} belong to the function's argument? Use brackets"))
        return self.as_product(start, factors)

    def matrix(self, start: int, end: str) -> Node:
        self.awaited.append(end)
        rows = [[self.expression()]]
        while not self.take(end):
            if self.take("&"):
                rows[-1].append(self.expression())
            elif self.take(r"\\"):
                if self.peek() != end:
                    rows.append([self.expression()])
            else:
                self.fail(_("{token} was not expected in a matrix"))
        self.awaited.pop()
        if len({len(row) for row in rows}) > 1:
            self.fail(_("the rows of the matrix before this place differ in length"))
        entries = [entry for row in rows for entry in row]
        return self.node("matrix", start, *entries, data=(len(rows), len(rows[0])))

    def ket(self, start: int, token: str) -> Node:
        kind = "ket" if token == r"\ket" else "bra"
        bits = self.inside("{") if self.peek() == "{" else [self.peek()]
        if set("".join(bits)) <= {"0", "1"}:
            self.skip_argument()
            return self.node(kind, start, data="".join(bits))
        inner = self.argument()
        if inner.kind in ("bound", "number"):
            self.at = start
            self.fail(
                _("{token}: the size of this basis state is unknown; give values a key for it")
            )
        return inner if kind == "ket" else self.node("transpose", start, inner, data="adjoint")

    def bra_ket(self, start: int) -> Node:
        self.awaited.append("|")
        left = self.expression()
        self.leave("|")
        self.awaited.append(r"\rangle")
        right = self.expression()
        self.leave(r"\rangle")
        return self.node("bra-ket", start, left, right)

    # Sums over indices.

    def series(self, start: int, operator: str) -> Node:
        if not self.take("_"):
            self.fail(_("expected an index under {operator}").replace("{operator}", operator))
        series, bounds = self.under(operator)
        if self.take("^"):
            bounds.append(self.argument())
        if len(bounds) != {"": 0, "=": 2}.get(series.relation, 1):
            self.fail(_("{operator} needs bounds").replace("{operator}", operator))
        self.bound += series.names
        body = self.product()
        del self.bound[-len(series.names) :]
        return self.node("series", start, body, *bounds, data=series)

    def under(self, operator: str) -> tuple[Series, list[Node]]:
        if not self.take("{"):
            return Series(operator, (self.name(),)), []
        self.awaited.append("}")
        absolute = bool(self.take("|"))
        names = [self.name()]
        while not absolute and self.take(","):
            names.append(self.name())
        if absolute:
            self.expect("|")
        relation = self.take(*RELATIONS)
        bounds = [self.expression()] if relation else []
        self.leave("}")
        series = Series(operator, tuple(names), RELATIONS.get(relation, ""), absolute)
        if (absolute and series.relation not in (r"\le", "<")) or (relation and len(names) > 1):
            self.fail(_("the index before this place has a condition that is not known"))
        return series, bounds

    def name(self) -> str:
        token = self.peek()
        if not (token.isalpha() or token.startswith("\\")):
            self.fail(_("{token} is not an index"))
        self.at += 1
        return token

    def indices(self) -> list[Node]:
        """Read `ij` or `i, j` as two indices, and `2k`, `i + 1` as one."""
        first = self.expression()
        if self.peek() == ",":
            parts = [first]
            while self.take(","):
                parts.append(self.expression())
            return parts
        if first.kind == "product" and all(p.kind in ("bound", "symbol") for p in first.parts):
            return list(first.parts)
        return [first]

    # Symbols.

    def symbol(self) -> Node | None:
        """Read the longest key of `values` that stands here."""
        start = self.at
        for key in self.keys:
            if len(key.tokens) == 1 and key.tokens[0] in self.bound:
                continue
            if not key.places:
                if self.stands_here(key.tokens):
                    self.at += len(key.tokens)
                    return self.node("symbol", start, data=key.name)
                continue
            parts = self.call(key)
            if parts is not None:
                return self.node("call", start, *parts, data=key.name)
            self.at = start
        return None

    def call(self, key: Key) -> list[Node] | None:
        """Read a key with argument places; None if its other tokens do not stand here."""
        awaited = list(self.awaited)
        parts: list[Node] = []
        tokens = key.tokens
        for i, token in enumerate(tokens):
            if token != PLACE:
                if self.peek() != token:
                    self.awaited = awaited
                    return None
                self.at += 1
            elif i and tokens[i - 1] in ("_", "^"):
                parts.append(self.argument())
            elif i + 1 == len(tokens):
                parts.append(self.factor())
            else:
                self.awaited.append(tokens[i + 1])
                parts.append(self.expression())
                self.awaited.pop()
        return parts

    def has_key(self) -> bool:
        """Whether a key without argument places stands here."""
        return any(not key.places and self.stands_here(key.tokens) for key in self.keys)

    def stands_here(self, tokens: tuple[str, ...]) -> bool:
        return tuple(self.tokens[self.at : self.at + len(tokens)]) == tokens

    # Tokens.

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *tokens: str) -> str:
        """Go past one of these tokens, and return it; "" if none stands here."""
        token = self.peek()
        if not token or token not in tokens:
            return ""
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if not self.take(token):
            self.fail(_("expected {expected}, not {token}").replace("{expected}", token))

    def enter(self, opening: str, closing: str) -> str:
        self.expect(opening)
        self.awaited.append(closing)
        return closing

    def leave(self, closing: str) -> None:
        self.skip_words()
        self.expect(closing)
        self.awaited.pop()

    def begins_factor(self) -> bool:
        self.skip_words()
        token = self.peek()
        # A vertical bar closes what a vertical bar has opened.
        return bool(token) and token not in CLOSING and token != (self.awaited or [""])[-1]

    def skip_words(self) -> None:
        while self.peek().startswith(r"\text{") and not self.has_key():
            self.at += 1

    def is_decimal_point(self) -> bool:
        return self.peek() == "." and "".join(self.tokens[self.at + 1 :])[:1].isdigit()

    def argument(self) -> Node:
        """Read what a command or a script takes: a group in braces, or one token."""
        (node,) = self.script(lambda: [self.expression()])
        return node

    def script(self, read: Any) -> list[Node]:
        if self.take("{"):
            self.awaited.append("}")
            nodes = read()
            self.leave("}")
            return list(nodes)
        # The rest is hidden, so that nothing takes more than one token.
        tokens, self.tokens = self.tokens, self.tokens[: self.at + 1]
        node = self.primary()
        self.tokens = tokens
        return [node]

    def inside(self, opening: str) -> list[str]:
        """Return the tokens of the group that begins here."""
        end, depth = self.at, 0
        while end < len(self.tokens):
            depth += (self.tokens[end] == opening) - (self.tokens[end] == BRACKETS[opening])
            if depth == 0:
                break
            end += 1
        return self.tokens[self.at + 1 : end]

    def skip_argument(self) -> None:
        self.at += len(self.inside("{")) + 2 if self.peek() == "{" else 1

    def node(self, kind: str, start: int, *parts: Node, data: Any = None) -> Node:
        return Node(kind, parts, data, write(self.tokens[start : self.at]))

    def fail(self, why: str) -> NoReturn:
        before, after = write(self.tokens[: self.at]), write(self.tokens[self.at :])
        why = why.replace("{token}", self.peek() or _("the end"))
        raise FormulaError(
            _("formula: {why}: {place}").format(why=why, place=f"{before} ▸ {after}")
        )
