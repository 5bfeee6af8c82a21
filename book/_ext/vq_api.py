"""The docstring of a property or an attribute is prose.

Napoleon reads its first line as `type: description` and looks for a class of the type's name. Here
types stand in annotations, and a colon in a first line is a colon: the docstring is put back as it
was written.
"""

PROSE = ("property", "attribute")


def setup(app):
    as_written = {}

    def keep(app, what, name, obj, options, lines):
        if what in PROSE:
            as_written[name] = list(lines)

    def put_back(app, what, name, obj, options, lines):
        if what in PROSE:
            lines[:] = as_written.pop(name)

    # Around napoleon (500).
    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", put_back, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
