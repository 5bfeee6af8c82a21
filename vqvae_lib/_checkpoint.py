"""A file of named tensors and JSON: written whole or not at all, and never a pickle."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import stat
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["read_checkpoint", "write_checkpoint"]


def write_checkpoint(path: Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors by name, and an `info` that JSON can hold, in the safetensors format.

    Raises
    ------
    OSError
        If it cannot be written, the disk being full for example; the error names `path`, under
        which the former file then stays as it was.
    """
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    info_text = json.dumps(info)
    metadata = {"info": info_text, "sha256": _compute_digest(tensors, info_text)}
    content = save(tensors, metadata=metadata)
    try:
        _replace(path, content)
    except OSError as error:
        reason = f"{error.strerror or error}; what was there before is unchanged"
        raise OSError(error.errno, reason, str(path)) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote: the tensors and the info, a dict of anything.

    Memory is taken for the header first, and for the rest once it is known to be one of ours.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, or no longer the one that was written.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is a folder or a device: expected a checkpoint")
    with open(path, "rb") as file:
        try:
            # A safetensors file begins with the length of its header, in 8 bytes, and the header:
            # JSON that holds our metadata.
            start = file.read(8)
            length, rest = int.from_bytes(start, "little"), os.fstat(file.fileno()).st_size - 8
            if length > rest:
                raise ValueError(f"its header has {length} bytes, and {max(rest, 0)} are there")
            header = file.read(length)
            metadata = json.loads(header)["__metadata__"]
            info_text, sha256 = metadata["info"], metadata["sha256"]
            info = json.loads(info_text)
            if not isinstance(info, dict):
                raise ValueError("its description is no JSON object")
            tensors = load(start + header + file.read())
            digest = _compute_digest(tensors, info_text)
        except (
            *(SafetensorError, ValueError, KeyError, TypeError, AttributeError),
            *(RuntimeError, OverflowError, RecursionError),
        ) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ValueError(
                f"{path} is not a checkpoint, or it is truncated or altered: {what}"
            ) from error
    if digest != sha256:
        raise ValueError(f"{path} is altered: its sha256 is {digest}, expected {sha256}")
    return tensors, info


def _replace(path: Path, content: bytes) -> None:
    """Put a file under a path in one step, so that nobody ever sees a part of it.

    A temporary file in the same folder is written, flushed to disk and renamed: after a crash at
    any moment there is either the former file or the new one. The names of temporary files are all
    different, so any number of processes may write to one path, and the last of them wins.
    """
    path = Path(os.path.realpath(path))  # through a link, whose target is written
    path.parent.mkdir(parents=True, exist_ok=True)
    former = path.lstat() if os.path.lexists(path) else None  # a link: one of a circle
    if former is not None and not stat.S_ISREG(former.st_mode):
        raise OSError(errno.EINVAL, "this is a folder, a device or a circle of links")
    prefix = f".{path.name[:40]}."
    _remove_remains(path.parent, prefix)
    temporary, file = _open_temporary(path.parent, prefix)
    try:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if former is not None:
            _keep_access(temporary, former)
        if fcntl is None:
            file.close()  # Windows renames no open file
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # a full disk again
            file.close()
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _open_temporary(folder: Path, prefix: str) -> tuple[Path, IO[bytes]]:
    """Open a new file, and lock it: so the others know that somebody is at work on it."""
    while True:
        temporary = folder / f"{prefix}{uuid.uuid4().hex}.tmp"
        file = open(temporary, "xb")  # noqa: SIM115  (it stays open)
        if not _lock(file, wait=True) or os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # another took it for remains, before we had locked it


def _remove_remains(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed in the middle of writing have left."""
    for name in glob.glob(f"{glob.escape(prefix)}*.tmp", root_dir=folder, include_hidden=True):
        if re.fullmatch(r"[0-9a-f]{32}\.tmp", name[len(prefix) :]):
            with suppress(OSError), open(folder / name, "rb") as file:
                if _lock(file, wait=False):
                    (folder / name).unlink()


def _lock(file: IO[bytes], *, wait: bool) -> bool:
    """Lock a file until it is closed, or its process ends; False if that is impossible."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # somebody holds it, or the file system knows no locks
        return False
    return True


def _keep_access(path: Path, former: os.stat_result) -> None:
    """Give a file the permissions of the one that it replaces, and its owner if we may."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(path, former.st_uid, former.st_gid)
    os.chmod(path, stat.S_IMODE(former.st_mode))


def _flush_folder(folder: Path) -> None:
    """Flush the new name to disk, too, where the system knows how."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _compute_digest(tensors: dict[str, Tensor], info_text: str) -> str:
    return hashlib.sha256(info_text.encode() + save(tensors)).hexdigest()
