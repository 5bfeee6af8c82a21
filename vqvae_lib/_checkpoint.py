"""A file of named tensors and JSON: written whole or not at all, and never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

__all__ = ["read_checkpoint", "write_checkpoint"]


def write_checkpoint(path: Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors by name, and an `info` that JSON can hold, in the safetensors format.

    A temporary file in the same folder is written, flushed to disk and renamed, so that a crash
    at any moment leaves either the former file or the new one under `path`.
    """
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    info_text = json.dumps(info)
    metadata = {"info": info_text, "sha256": _compute_digest(tensors, info_text)}
    content = save(tensors, metadata=metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote: the tensors and the info.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, or no longer the one that was written.
    """
    content = path.read_bytes()
    try:
        tensors = load(content)
        # A safetensors file begins with the length of its header, in 8 bytes, and the header: JSON
        # that holds our metadata.
        header_size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + header_size])["__metadata__"]
        info_text, sha256 = metadata["info"], metadata["sha256"]
        info = json.loads(info_text)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is not a checkpoint, or it is truncated or altered: {error}"
        ) from error
    digest = _compute_digest(tensors, info_text)
    if digest != sha256:
        raise ValueError(f"{path} is altered: its sha256 is {digest}, expected {sha256}")
    return tensors, info


def _compute_digest(tensors: dict[str, Tensor], info_text: str) -> str:
    return hashlib.sha256(info_text.encode() + save(tensors)).hexdigest()
