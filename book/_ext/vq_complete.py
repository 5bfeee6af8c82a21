"""The book is complete: every page of _toc.yml is in the output, and the front door opens."""

from pathlib import Path

from sphinx.errors import SphinxError

FRONT_DOOR = """\
<!DOCTYPE html>
<html lang="{language}">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={root}.html">
<title>{title}</title>
<h1><a href="{root}.html">{title}</a></h1>
</html>
"""


class IncompleteBookError(SphinxError):
    """A page of the table of contents was not written."""

    category = "Incomplete book"


def missing_pages(outdir, docnames):
    """Return those of the pages `docnames` that have no HTML file in `outdir`."""
    return [name for name in docnames if not (Path(outdir) / f"{name}.html").is_file()]


def check(app, exception):
    """Write index.html, then fail if a page is missing."""
    if exception is not None or app.builder.name != "html":
        return
    suffixes = tuple(app.config.source_suffix)
    docnames = [
        next((name.removesuffix(s) for s in suffixes if name.endswith(s)), name)
        for name in app.config.external_site_map
    ]
    page = FRONT_DOOR.format(
        language=app.config.language, root=app.config.master_doc, title=app.config.html_title
    )
    (Path(app.outdir) / "index.html").write_text(page, "utf-8")
    missing = missing_pages(app.outdir, docnames)
    if missing:
        raise IncompleteBookError(f"_toc.yml names pages that are not there: {', '.join(missing)}")


def setup(app):
    # Before sphinx_external_toc (500) writes an index.html without title or language.
    app.connect("build-finished", check, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
