"""Search finds teaching before internals.

What readers type is named in search_terms.yml beside the section that teaches it. Each becomes a
main entry of Sphinx's index, which its search lists first, with the section's address.
"""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import SphinxError

TERMS = Path(__file__).resolve().parents[1] / "search_terms.yml"


class UnknownSectionError(SphinxError):
    """search_terms.yml names a section that is not there."""

    category = "Unknown section"


def sections_of(doctree):
    """Give the id of each section of a page by its heading; an exercise's text has none."""
    return {
        section[0].astext(): section["ids"][0]
        for section in doctree.findall(nodes.section)
        if section.children and isinstance(section[0], nodes.title)
    }


def add_entries(app, doctree):
    """Put a page's terms into its index."""
    docname = app.env.docname
    wanted = yaml.safe_load(TERMS.read_text("utf-8")).get(docname)
    if not wanted:
        return
    ids = sections_of(doctree)
    for heading, terms in wanted.items():
        if heading not in ids:
            raise UnknownSectionError(
                f"{TERMS.name}: {docname} has no section {heading!r}; there are: {', '.join(ids)}"
            )
        entries = [("single", term, ids[heading], "main", None) for term in terms]
        doctree.insert(0, addnodes.index(entries=entries, inline=False))


def setup(app):
    # Before Sphinx's domains look at the page (the default, 500).
    app.connect("doctree-read", add_entries, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
