"""Numbers in prose come from where they were measured.

A link `[0.05](#num-name)` gets the number that the page's own outputs show under this name. The
role {result} writes a number of a committed result: {result}`speed/ratios/…/median/.1f`.
"""

from docutils import nodes
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform

from vqvae_lib.course import prose

MARK = "#num-"


class UnknownNumberError(SphinxError):
    """A text refers to a number that nothing shows."""

    category = "Unknown number"


class FillLinks(SphinxTransform):
    """Write the numbers of a page's outputs into the links that refer to them."""

    default_priority = 870  # before MyST looks for a heading of this name

    def apply(self, **_options):
        """Replace each link by one whose text is the number."""
        links = [
            node
            for node in self.document.findall(nodes.reference)
            if str(node.get("refuri", "")).startswith(MARK)
        ]
        if not links:
            return
        html = "\n".join(
            node.astext()
            for node in self.document.findall(nodes.raw)
            if "html" in node.get("format", "")
        )
        numbers = prose.find_numbers(html)
        for link in links:
            name = link["refuri"].removeprefix(MARK)
            if name not in numbers:
                raise UnknownNumberError(
                    f"{self.env.docname} refers to {MARK}{name}, and no cell of it shows that "
                    f"number; there are: {', '.join(sorted(numbers)) or 'none'}"
                )
            plain = nodes.raw(
                "",
                f'<a class="vq-number-link" href="{MARK}{name}">{numbers[name]}</a>',
                format="html",
            )
            link.parent.replace(link, plain)


def result_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Write one number of a committed result."""
    try:
        return [nodes.inline(rawtext, prose.read_result(text), classes=["vq-exact"])], []
    except (KeyError, ValueError, TypeError, FileNotFoundError) as error:
        raise UnknownNumberError(f"{{result}}`{text}`: {error}") from error


def setup(app):
    app.add_transform(FillLinks)
    app.add_role("result", result_role)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
