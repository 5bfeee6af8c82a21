"""Committed results of long runs, as the chapters read them."""

import json
from pathlib import Path
from typing import Any

__all__ = ["load_result", "save_result"]

RESULTS = Path(__file__).parent / "results"
# Whose versions belong to a result, where they are installed.
_PACKAGES = (
    "torch",
    "numpy",
    "scikit-learn",
    "numba",
    "pennylane",
    "pennylane-lightning",
    "jax",
    "tensorcircuit-ng",
    "deepquantum",
    "pyqtorch",
)


def load_result(name: str) -> dict[str, Any]:
    """Read a committed result.

    Parameters
    ----------
    name : str
        The result's name, without ending, such as `"speed"`.

    Returns
    -------
    dict
        What the script in `experiments/` wrote: the numbers, and the script, settings, seeds,
        versions and machine that they come from.

    Raises
    ------
    FileNotFoundError
        If there is no such result; the message lists those there are.
    """
    path = RESULTS / f"{name}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in RESULTS.glob("*.json"))) or "none"
        raise FileNotFoundError(f"name={name!r}: no such committed result; there are: {known}")
    return json.loads(path.read_text(encoding="utf-8"))


def save_result(name: str, *, script: str, settings: dict[str, Any], **numbers: Any) -> Path:
    """Write a result with all that is needed to read it later (used by `experiments/`).

    Parameters
    ----------
    name : str
        The result's name, without ending.
    script : str
        The module that regenerates it, such as `"experiments.speed"`.
    settings : dict
        Every setting and seed of the run.
    **numbers
        What was found.

    Returns
    -------
    Path
        The file that was written.
    """
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    versions = {package: found for package in _PACKAGES if (found := installed(package))}
    result = {
        "script": script,
        "settings": settings,
        "versions": versions | {"python": platform.python_version()},
        "machine": {"architecture": platform.machine(), "cores": os.cpu_count()},
        **numbers,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path
