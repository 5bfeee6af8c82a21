"""What verifies an equation names it by its number, as a link.

A cell cannot know the number of an equation: its output has the label. Where the book is built, the
number is put in its place.
"""

import html
import re

from docutils import nodes
from docutils.nodes import make_id
from sphinx.errors import SphinxError

LABEL = r"eq-[a-z0-9-]+"
# check_equation: the label's words stand in an element of their own, as a link and as a name.
NAMED = re.compile(rf'<span class="vq-eq" data-vq-eq="({LABEL})">[^<]*</span>')
NUMBERED = re.compile(rf'<span data-vq-number="({LABEL})">[^<]*</span>')
# verify: the label is in the text.
VERIFIED = re.compile(rf'(data-vq-proves="({LABEL})">[^<]*?)\2(?![\w-])')
# derive: it is only in what a screen reader says; the number is put beside the steps.
DERIVED = re.compile(
    rf'(<div class="vq-derivation" [^>]*data-vq-proves="({LABEL})"[^>]*aria-label="[^"]*?)\2'
    r"(?![\w-])([^>]*>)"
)


class UnknownEquationError(SphinxError):
    """An output verifies an equation that no page has."""

    category = "Unknown equation"


def put_numbers(text, link):
    """Write links by number into the HTML of outputs.

    `link` gives the address and the number of a label.
    """

    def anchor(label):
        address, number = link(label)
        return f'<a class="vq-eq" href="{html.escape(address)}">{html.escape(number)}</a>'

    text = NAMED.sub(lambda m: anchor(m[1]), text)
    text = NUMBERED.sub(lambda m: html.escape(link(m[1])[1]), text)
    text = VERIFIED.sub(lambda m: m[1] + anchor(m[2]), text)
    return DERIVED.sub(lambda m: m[1] + html.escape(link(m[2])[1]) + m[3] + anchor(m[2]), text)


def resolve(app, doctree, docname):
    """Replace labels by numbers on one page."""

    def link(label):
        equations = app.env.get_domain("math").equations
        if label not in equations:
            raise UnknownEquationError(f"{docname} verifies {label}, and no page has that equation")
        page, counted = equations[label]
        target = make_id(f"equation-{label}")
        numbers = app.env.toc_fignumbers.get(page, {}).get("displaymath", {}).get(target)
        number = ".".join(map(str, numbers)) if numbers else str(counted)
        address = "" if page == docname else app.builder.get_relative_uri(docname, page)
        return f"{address}#{target}", app.config.math_eqref_format.format(number=number)

    if app.builder.format != "html":
        return
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if "html" in node.get("format", "") and "data-vq-proves=" in text:
            node[:] = [nodes.Text(put_numbers(text, link))]


def setup(app):
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
