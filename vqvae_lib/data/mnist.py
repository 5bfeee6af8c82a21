"""MNIST, with a validation part cut so that it shares as few writers as its order allows."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.data._mnist_files import read_arrays
from vqvae_lib.data.images import ImageData
from vqvae_lib.splits import NO_GROUP

__all__ = ["load_mnist"]


def load_mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    train_size: int | None = None,
    valid_size: int = 5000,
    test_size: int | None = None,
    seed: int = 0,
    download: bool = True,
) -> ImageData:
    """Load MNIST: 60,000 and 10,000 handwritten digits of 28x28 pixels (LeCun et al. 1998).

    Looked for in `folder`; without it in the folder named by the environment variable
    VQVAE_DATA_DIR; without that in a per-user cache, which is filled from the mirrors at first
    use (11 MB). A folder of yours is only ever read. All files are held to their sha256.

    Parameters
    ----------
    folder
        Holds MNIST's four files, as ``.gz`` or unpacked, or a subfolder ``mnist`` that does.
    train_size, test_size
        How many images to keep; None keeps all. They are drawn uniformly, without regard to the
        label, and a smaller draw is the beginning of a larger one with the same seed.
    valid_size
        How many of the 60,000 validate: the last ones, as they stand in the file.
    seed
        Chooses which images are kept.
    download
        Whether the cache may be filled; False raises FileNotFoundError instead.

    Returns
    -------
    ImageData
        Grey levels 0, 1/255, ..., 1; no writers on record.

    Raises
    ------
    FileNotFoundError
        If a file is missing, naming the folder and the files expected.
    ValueError
        If a file is truncated or altered, naming it and both checksums, or if a size does not
        fit.
    OSError
        If no mirror delivers.
    """
    folder = folder or os.environ.get("VQVAE_DATA_DIR")
    arrays = read_arrays(folder, download=download)
    rest, valid = _cut_validation(len(arrays["x_train"]), valid_size)
    rows = {
        "train": rest[_draw("train_size", train_size, len(rest), seed)],
        "valid": valid,
        "test": _draw("test_size", test_size, len(arrays["x_test"]), seed),
    }
    columns = {}
    for part, chosen in rows.items():
        file = "test" if part == "test" else "train"
        columns[f"x_{part}"] = arrays[f"x_{file}"][chosen].flatten(1).float() / 255  # (n, D)
        columns[f"y_{part}"] = arrays[f"y_{file}"][chosen].long()  # (n,)
        columns[f"group_{part}"] = torch.full_like(chosen, NO_GROUP)
    _, height, width = arrays["x_train"].shape
    return ImageData(name="mnist", **columns, image_shape=(height, width), levels=255)


def _cut_validation(N: int, size: int) -> tuple[Tensor, Tensor]:
    """Cut rows 0 to N - 1 into those that may train and a contiguous block that validates."""
    size = check_count("valid_size", size, most=N - 1)
    rows = torch.arange(N)
    return rows[:-size], rows[-size:]


def _draw(name: str, size: int | None, available: int, seed: int) -> Tensor:
    """Draw row numbers; None keeps all of them, in order."""
    if size is None:
        return torch.arange(available)
    size = check_count(name, size, most=available)
    return torch.randperm(available, generator=torch.Generator().manual_seed(seed))[:size]
