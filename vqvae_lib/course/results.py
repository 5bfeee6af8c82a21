"""Committed results of long runs, as the chapters read them."""

import base64
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_instance, check_tensor

__all__ = ["caveat_of", "load_result", "pack_images", "save_result", "unpack_images"]

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
        versions and machine that they come from. `caveat_of` tells what they cannot bear.

    Raises
    ------
    FileNotFoundError
        If there is no such result; the message lists those there are.
    """
    paths = {path.stem: path for path in sorted(RESULTS.glob("*.json"))}
    path = paths.get(name) if isinstance(name, str) else None
    if path is None:
        known = ", ".join(paths) or "none"
        raise FileNotFoundError(f"name={name!r}: no such committed result; there are: {known}")
    return json.loads(path.read_text(encoding="utf-8"))


def caveat_of(result: dict[str, Any]) -> str:
    """Say what a result cannot bear, to be printed beside its numbers; empty if nothing is known.

    Parameters
    ----------
    result : dict
        As `load_result` gives it.
    """
    check_instance("result", result, dict, "a result, as load_result gives it")
    return result.get("caveat", "")


def save_result(name: str, *, script: str, settings: dict[str, Any], **numbers: Any) -> Path:
    """Write a result with everything needed to read it later (used by `experiments/`).

    Parameters
    ----------
    name : str
        The result's name, without ending.
    script : str
        The module that regenerates it, such as `"experiments.speed"`.
    settings : dict
        Every setting and seed of the run.
    **numbers
        The result itself, and a `caveat` where it has one.

    Returns
    -------
    Path
        Where it was written.
    """
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    result = {
        "script": script,
        "settings": settings,
        "versions": versions,
        "machine": {"architecture": platform.machine(), "cores": os.cpu_count()},
        **numbers,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def pack_images(images: Tensor) -> dict[str, Any]:
    """Grey images as JSON can hold them: one byte a pixel, compressed.

    Parameters
    ----------
    images : Tensor (N, H, W)
        Values in [0, 1]; what lies outside is clipped.
    """
    images = check_tensor("images", images, ("N", "H", "W"), finite=True)
    levels = (255 * images.clamp(0, 1)).round().to(torch.uint8).contiguous()
    packed = base64.b64encode(zlib.compress(levels.numpy().tobytes(), 9)).decode()
    return {"shape": list(images.shape), "levels": packed}


def unpack_images(packed: dict[str, Any]) -> Tensor:
    """Undo `pack_images`, up to rounding: (N, H, W), values in [0, 1]."""
    check_instance("packed", packed, dict, "what pack_images gives")
    try:
        levels = bytearray(zlib.decompress(base64.b64decode(packed["levels"])))
        return torch.frombuffer(levels, dtype=torch.uint8).reshape(packed["shape"]) / 255
    except (KeyError, TypeError, ValueError, RuntimeError, zlib.error):
        raise ValueError("packed: damaged, or not what pack_images gives") from None
