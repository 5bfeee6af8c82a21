"""MNIST, with a validation part cut so that it shares as few writers as its order allows."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from vqvae_lib._checks import check_count, check_flag, check_path, check_seed
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
        How many images to keep; None keeps all, in the order of the file. They are drawn
        uniformly, without regard to the label, and a smaller draw is the beginning of a larger
        one with the same seed.
    valid_size
        How many of the 60,000 training images validate: the first ones in the file; see below.
        Images to train on are drawn from the others.
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
        If a file is truncated or altered, naming it and both checksums, or a size doesn't fit.
    OSError
        If no mirror delivers.

    Notes
    -----
    The files don't say who wrote what. Published: half of the images are by census employees
    (NIST's SD-3), half by high-school students (SD-1), some 250 of each in the training file, and
    nobody who wrote for it wrote for the test file. Inferred from where an image's nearest
    neighbour stands in the training file (``experiments/digit_writers.py``): up to about row
    58,100 the two kinds alternate. Odd rows are the employees', one writer after the other, each
    over some 200 rows; even rows are the students', in an order that shows no trace of who wrote
    them. The last 1,900 rows or so are all employees', in writer order.

    So the first rows validate. They hold both kinds in halves, as the test file does, which the
    last rows don't. Of the employees only the one at the cut can be on both sides. The students
    can't be kept apart: nearly all of those who validate train too, so a validation score is
    somewhat too good. It is fit to choose settings with; the test part has new writers only.
    """
    seed, download = check_seed("seed", seed), check_flag("download", download)
    if folder is None:
        folder = os.environ.get("VQVAE_DATA_DIR") or None
    place = None if folder is None else check_path("folder", folder)
    arrays = read_arrays(place, download=download)
    N = len(arrays["x_train"])
    valid_size = check_count("valid_size", valid_size, most=N - 1)
    rows = {
        "train": valid_size + _draw("train_size", train_size, N - valid_size, seed),
        "valid": torch.arange(valid_size),
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


def _draw(name: str, size: int | None, available: int, seed: int) -> Tensor:
    """Draw row numbers; None keeps all of them, in order."""
    if size is None:
        return torch.arange(available)
    size = check_count(name, size, most=available)
    return torch.randperm(available, generator=torch.Generator().manual_seed(seed))[:size]
