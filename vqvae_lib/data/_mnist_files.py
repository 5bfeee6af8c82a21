"""MNIST's four files: where to find them, how to fetch them, how to read them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["read_arrays"]

# The same files on two hosts; tried in turn, each of them twice.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TRIES = 2
TIMEOUT_S = 30

# The largest of the files holds 47 MB; a file that unpacks to more need not be unpacked to its end.
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class File:
    """The name of one of MNIST's files, and the sha256 that it must have.

    Two sums, because a compressed file is not determined by its content: one of the file as the
    mirrors hold it, one of what is inside, which is the same however a reader's copy was packed.
    """

    name: str
    compressed: str
    content: str


FILES = {
    "x_train": File(
        "train-images-idx3-ubyte",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "y_train": File(
        "train-labels-idx1-ubyte",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "x_test": File(
        "t10k-images-idx3-ubyte",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "y_test": File(
        "t10k-labels-idx1-ubyte",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def read_arrays(folder: Path | None, *, download: bool) -> dict[str, Tensor]:
    """Read x_train, y_train, x_test and y_test: bytes of shape (N, H, W) and (N,).

    Without a folder they are read from the per-user cache, which is filled first if it may be.
    """
    paths = _find(folder) if folder else _find_in_cache(download=download)
    arrays = {key: _read_idx(path, FILES[key].content) for key, path in paths.items()}
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim != 3 or y.shape != x.shape[:1]:
            raise ValueError(
                f"{paths[f'x_{part}']} holds {tuple(x.shape)} and its labels {tuple(y.shape)}: "
                "expected (N, H, W) and (N,)"
            )
    return arrays


def _find(folder: Path) -> dict[str, Path]:
    """Find MNIST's files in a folder of the reader's, which is left as it is."""
    for place in (folder, folder / "mnist"):
        paths = {
            key: path
            for key, file in FILES.items()
            for path in (place / file.name, place / f"{file.name}.gz")
            if path.is_file()
        }
        if len(paths) == len(FILES):
            return paths
    names = ", ".join(f"{file.name}.gz" for file in FILES.values())
    raise FileNotFoundError(
        f"{folder} does not hold MNIST: expected {names} (or unpacked, without .gz), "
        "there or in its subfolder mnist"
    )


def _find_in_cache(*, download: bool) -> dict[str, Path]:
    """Find MNIST's files in the per-user cache; download what is missing or damaged."""
    import pooch

    cache = Path(pooch.os_cache("vqvae_lib")) / "mnist"
    if not download:
        return _find(cache)
    return {key: _fetch(cache, file) for key, file in FILES.items()}


def _fetch(cache: Path, file: File) -> Path:
    """Fetch one file. Pooch writes it elsewhere, checks it and only then moves it to the cache."""
    import pooch
    import requests

    name, failures = f"{file.name}.gz", []
    for mirror in MIRRORS:
        registry = pooch.create(
            path=cache,
            base_url=mirror,
            registry={name: f"sha256:{file.compressed}"},
            retry_if_failed=TRIES - 1,
        )
        try:
            return Path(registry.fetch(name, downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S)))
        # ValueError: what came has another checksum.
        except (ValueError, requests.RequestException) as error:
            failures.append(f"{mirror}: {error}")
    raise OSError(
        f"{name} could not be downloaded. If you have MNIST, name its folder in VQVAE_DATA_DIR. "
        + " | ".join(failures)
    )


def _read_idx(path: Path, sha256: str) -> Tensor:
    """Read an array of bytes from an idx file, packed or not, whose content has that sha256.

    Two zero bytes, the type (8: unsigned bytes), the number of dimensions, each of them as a
    big-endian 32-bit number, then the bytes.
    """
    content = _read(path)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path} holds more than {MOST_BYTES} bytes, which no file of MNIST does")
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != sha256:
        raise ValueError(
            f"{path} is truncated or altered: its content has sha256 {checksum}, expected {sha256}"
        )
    shape = np.frombuffer(content, dtype=">u4", count=content[3], offset=4).tolist()
    pixels = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(shape))
    return torch.from_numpy(pixels.copy()).reshape(shape)


def _read(path: Path) -> bytes:
    """Read a file, unpacked, as far as it goes: the checksum will show what is missing or damaged.

    Of what is too long to be MNIST's, no more is read than shows it.
    """
    content = bytearray()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            while len(content) <= MOST_BYTES and (more := file.read1(1 << 16)):
                content += more
        except (EOFError, zlib.error, gzip.BadGzipFile):
            pass
    return bytes(content)
