"""A panel that runs Python again: choose settings, press the button, see the cell's result.

It needs a kernel, so it works in JupyterLab. In the built book a line in its place says
so, and an interactive figure beside it shows what the panel would find.
"""

import html
from collections.abc import Callable, Sequence
from typing import Any

from vqvae_lib.course.words import _

__all__ = ["Workbench"]


class Workbench:
    """Controls for the arguments of a function, and a button that calls it.

    Parameters
    ----------
    function : callable
        Called with one keyword for each control; what it prints and shows appears below.
    **choices : sequence
        The values to choose from; the first is chosen at the start.

    Raises
    ------
    ValueError
        If there is nothing to choose from.
    """

    def __init__(self, function: Callable[..., object], **choices: Sequence[Any]):
        empty = [name for name, values in choices.items() if not len(values)]
        if not choices or empty:
            raise ValueError(f"choices: expected values for each argument, got none for {empty}")
        self.function = function
        self.choices = {name: list(values) for name, values in choices.items()}

    def panel(self) -> Any:
        """Build the controls, for a notebook with a kernel."""
        import ipywidgets

        controls = {
            name: ipywidgets.SelectionSlider(
                options=values, value=values[0], description=name, continuous_update=False
            )
            for name, values in self.choices.items()
        }
        button = ipywidgets.Button(description=_("Run"), icon="play")
        output = ipywidgets.Output()

        def run(_button: Any) -> None:
            button.disabled = True
            output.clear_output(wait=True)
            try:
                with output:
                    self.function(**{name: control.value for name, control in controls.items()})
            finally:
                button.disabled = False

        button.on_click(run)
        return ipywidgets.VBox([*controls.values(), button, output])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = dict(self.panel()._repr_mimebundle_(**kwargs))
        settings = ", ".join(self.choices)
        note = _("This panel runs Python: open the chapter in JupyterLab to choose {settings}.")
        text = html.escape(note.format(settings=settings))
        bundle["text/html"] = f'<p class="vq-panel">{text}</p>'
        bundle["text/plain"] = repr(self)
        return bundle

    def __repr__(self) -> str:
        return f"Workbench({', '.join(self.choices)})"
