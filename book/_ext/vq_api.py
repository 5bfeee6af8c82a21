"""The docstring of a property is prose.

Napoleon reads the first line of an attribute's docstring as `type: description` and looks for a
class of the type's name. A property has its annotation for that, and a colon in its first line is
a colon: its docstring is put back as it was.
"""


def setup(app):
    as_written = {}

    def keep(app, what, name, obj, options, lines):
        if what == "property":
            as_written[name] = list(lines)

    def put_back(app, what, name, obj, options, lines):
        if what == "property":
            lines[:] = as_written.pop(name)

    # Around napoleon (500).
    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", put_back, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
