"""Interactive figures that live without a kernel.

In JupyterLab a widget's ES module runs under anywidget. In the book the same module runs in the
page: its state stands in the HTML that the cell returned, and one script carries every module.
"""

import json
from pathlib import Path

from docutils import nodes

from vqvae_lib.course.widgets import base

HOST = Path(__file__).with_name("widget_host.js")
SCRIPT = "widgets.js"


def sources():
    """Text of each module, by the widget's name."""
    return {name: base.source(name) for name in base.modules()}


def bundle(modules, host):
    """Text of the classic script: the modules as strings, then the host that starts them.

    A page opened from `file://` may not import a module by its address, but may make one out of
    a string.
    """
    return f"(() => {{\nconst modules = {json.dumps(modules, indent=0)};\n{host}}})();\n"


def write_script(app):
    """Write the script to the output."""
    if app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / SCRIPT
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(bundle(sources(), HOST.read_text("utf-8")), "utf-8")


def load_script(app, pagename, templatename, context, doctree):
    """Load the script on the pages that hold a widget."""
    if doctree is not None and any(
        "data-vq-widget=" in node.astext() for node in doctree.findall(nodes.raw)
    ):
        app.add_js_file(SCRIPT, defer="defer")


def setup(app):
    app.connect("builder-inited", write_script)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
