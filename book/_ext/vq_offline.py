"""Mathematics without a network: MathJax is copied into the book from an installed package.

The package `sphinx-mathjax-offline` is used as a box of files. Enabled as an extension it would
copy ten times more than is needed and set another path.
"""

import importlib.util
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.domains.math import MathDomain

# The combined script of TeX input and HTML output, and the fonts it asks for.
NEEDED = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2")


def mathjax_folder():
    """Folder of the installed MathJax."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("MathJax is missing: pip install sphinx-mathjax-offline")
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_mathjax(app):
    """Copy what the pages load to `_static/mathjax`."""
    if app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for name in NEEDED:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / name, target / name)


class PageMathDomain(MathDomain):
    """Decides for each page by itself whether it has mathematics.

    Sphinx's own says yes for a page if a page below it has some.
    """

    def has_equations(self, docname=None):
        """Whether the page, or without a name any page, has mathematics."""
        return self.data["has_equations"].get(docname, False) or (
            docname is None and super().has_equations()
        )


def see_math_in_outputs(app, pagename, templatename, context, doctree):
    """Count also the mathematics in the HTML that a notebook's cells return."""
    if doctree is None:
        return
    outputs = (node.astext() for node in doctree.findall(nodes.raw) if node["format"] == "html")
    if any(r"\(" in html or r"\[" in html for html in outputs):
        app.env.get_domain("math").data["has_equations"][pagename] = True


def setup(app):
    app.add_domain(PageMathDomain, override=True)
    app.connect("builder-inited", copy_mathjax)
    # Before sphinx.ext.mathjax (500), which decides on the page's scripts.
    app.connect("html-page-context", see_math_in_outputs, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
