"""One ES module, two hosts: what all interactive figures share.

In JupyterLab anywidget loads the module and keeps the traits in step with Python. In the built
book there is no Python: the figure's HTML carries the traits, and a few lines of script give the
same module a model to read. The module computes everything itself, so it cannot tell the two apart.
"""

import html
import json
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

__all__ = ["CourseWidget"]

HERE = Path(__file__).parent
NEEDS = "// needs: "


def source(module: str) -> str:
    """Text of a module as a browser loads it, after the script all share and the parts it needs.

    A browser loads it from a string, and from there an ES module cannot import its neighbours. So a
    module names its parts in its first line: ``// needs: network simulator``.
    """
    text = _read_script(module)
    first = text.partition("\n")[0]
    parts = first.removeprefix(NEEDS).split() if first.startswith(NEEDS) else []
    return "".join([*map(_read_script, ("shared", *parts)), text])


def modules() -> list[str]:
    """Names of the modules; the other scripts here are parts, which draw no figure of their own."""
    names = sorted(path.stem for path in HERE.glob("*.js"))
    return [name for name in names if "export default" in _read_script(name)]


def _read_script(name: str) -> str:
    return (HERE / f"{name}.js").read_text("utf-8")


class CourseWidget(anywidget.AnyWidget):
    """Base of the interactive figures.

    A subclass says `module = "name"` (the file `name.js` beside it, see `source`), declares its
    traits with `sync=True`, and names in `summary` the few that its `repr` shows.
    """

    module: ClassVar[str]
    summary: ClassVar[tuple[str, ...]] = ()
    css_class: ClassVar[str] = "vq-widget"

    alt = traitlets.Unicode(help="What the figure shows, in a sentence.").tag(sync=True)
    words = traitlets.Dict(help="The texts that the module shows.").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not for the classes that traitlets derives from ours when it adds a trait.
        if "module" in vars(cls):
            cls._esm = source(cls.module)
        super().__init_subclass__(**kwargs)

    def state(self) -> dict[str, Any]:
        """Return the public traits, as JSON can hold them.

        A trait that is False is left out: a module reads it as undefined, which is false too.
        """
        return {
            name: getattr(self, name)
            for name in sorted(self.traits(sync=True))
            if not name.startswith("_")
            and name not in ("comm", "keys", "layout", "tabbable", "tooltip")
            and getattr(self, name) is not False
        }

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        text = json.dumps(self.state(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        state = html.escape(text)
        bundle["text/html"] = (
            f'<div class="{self.css_class}" data-vq-widget="{self.module}" data-vq-state="{state}">'
            f"{self.fallback()}</div>"
        )
        bundle["text/plain"] = repr(self)
        return bundle, metadata

    def fallback(self) -> str:
        """Write what stands in the figure's place where no script runs, as HTML."""
        return html.escape(self.alt)

    def __repr__(self) -> str:
        traits = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.summary)
        return f"{type(self).__name__}({traits})"
