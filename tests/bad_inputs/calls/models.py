"""What the valid calls of models have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.bad_inputs.attack import Call
from vqvae_lib._model_files import SavedModel
from vqvae_lib.scaling import TableScaling


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def saved_methods(name: str, make: Callable[[], SavedModel]) -> dict[str, Call]:
    """Return calls of what every model that goes into a file has."""
    path = Path(folder().name) / name

    def to_save() -> dict[str, Any]:
        D = make().data_width or 8
        return {"path": path, "scaling": TableScaling((0.0,) * D, (1.0,) * D)}

    def to_load() -> dict[str, Any]:
        make().save(path)
        return {"path": path, "backend": "statevector"}

    circuit = "without a circuit there is nothing to run"
    circuits = name == "VQVAE"
    return {
        f"{name}.settings": Call(dict, on=make),
        f"{name}.save": Call(
            to_save,
            on=make,
            skip={"path": "folders are made for it; tests/test_model_files.py has bad ones"},
        ),
        f"{name}.load": Call(
            to_load,
            on=make,
            accepts={} if circuits else {"backend": {"no such choice, empty": circuit}},
        ),
    }
