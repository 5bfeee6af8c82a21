"""Valid calls of `vqvae_lib.data`."""

import gzip
import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch

from tests.bad_inputs.attack import Call
from tests.bad_inputs.calls.tools import generator, grey, labels, normal
from vqvae_lib.data import ImageData, _mnist_files
from vqvae_lib.splits import RandomSplit

ANY_SHAPE = {
    "one axis more, one axis more at the end, one axis less, another width, a width of 1": (
        "pixels are drawn one by one"
    )
}
ANY_LABEL = {"negative, huge": "any whole number may name a class or a source"}
ANY_PICTURE = {"an item: one row more, an item: another width": "pictures have any size"}
SMALL_PICTURE = {"an item: one row, an item: a width of 1": "pictures have any size"}
ANY_NAME = {"an item: no such choice, an item: empty": "any text is a name"}
ANY_NUMBER = {"nan, inf": "rows are folded, whatever they hold"}


def image_columns() -> dict[str, object]:
    columns: dict[str, object] = {"name": "few", "image_shape": (2, 3), "levels": 16}
    for N, part in ((4, "train"), (3, "valid"), (2, "test")):
        columns[f"x_{part}"] = (grey(N, 6) * 16).round() / 16
        columns[f"y_{part}"] = labels(N)
        columns[f"group_{part}"] = labels(N)
    return columns


def table_columns() -> dict[str, object]:
    columns: dict[str, object] = {
        "name": "few",
        "columns": ("a", "b"),
        "classes": ("red", "green", "blue"),
        "mean": normal(2),
        "scale": grey(2) + 1,
    }
    for N, part in ((4, "train"), (3, "valid"), (2, "test")):
        columns |= {f"x_{part}": normal(N, 2), f"y_{part}": labels(N)}
    return columns


def pictures() -> dict[str, torch.Tensor]:
    return {name: grey(5, 6, seed=i) for i, name in enumerate("abc")}


FOLDER = TemporaryDirectory()  # lives as long as the tests


@contextmanager
def small_mnist() -> Iterator[None]:
    """Put a small MNIST into the folder, and tell the library its checksums."""
    files = {}
    for key, file in _mnist_files.FILES.items():
        shape = ((9,) if "test" in key else (12,)) + ((28, 28) if key[0] == "x" else ())
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        content += bytes(torch.Size(shape).numel())
        (Path(FOLDER.name) / f"{file.name}.gz").write_bytes(gzip.compress(content))
        files[key] = _mnist_files.File(file.name, "", hashlib.sha256(content).hexdigest())
    with patch.object(_mnist_files, "FILES", files):
        yield


CALLS = {
    "ImageData": Call(
        image_columns,
        kinds={"name": "text"},
        accepts={
            f"{column}_{part}": ANY_LABEL
            for column in ("y", "group")
            for part in ("train", "valid", "test")
        },
    ),
    "ImageData.images": Call(
        lambda: {"x": normal(4, 6)},
        on=lambda: ImageData(**image_columns()),  # type: ignore[arg-type]
        accepts={"x": {"empty": "no images, folded", **ANY_NUMBER}},
    ),
    "TableData": Call(
        table_columns,
        kinds={"name": "text"},
        accepts={"columns": ANY_NAME, "classes": ANY_NAME},
    ),
    "binarise": Call(lambda: {"x": grey(4, 6), "generator": generator()}, accepts={"x": ANY_SHAPE}),
    "load_digits": Call(lambda: {"size": 8, "split": RandomSplit(seed=0)}),
    "load_mnist": Call(
        lambda: {
            "folder": Path(FOLDER.name),
            "train_size": 4,
            "valid_size": 3,
            "test_size": 2,
            "seed": 0,
            "download": False,
        },
        within=small_mnist,
    ),
    "load_photographs": Call(dict),
    "load_table": Call(lambda: {"name": "wine", "split": RandomSplit(seed=0)}),
    "split_photographs": Call(
        lambda: {"photographs": pictures(), "valid": ["a"], "test": ("b",)},
        named={"photographs": "photographs?"},
        accepts={
            "photographs": {**ANY_PICTURE, **SMALL_PICTURE},
            "valid": {"empty": "none validates"},
        },
    ),
    "extract_patches": Call(
        lambda: {"photographs": pictures(), "size": (2, 3), "count": 4, "seed": 0},
        named={"photographs": "photographs?"},
        accepts={"photographs": ANY_PICTURE},
    ),
    "random_manifold": Call(
        lambda: {
            "N": 4,
            "D": 3,
            "intrinsic_dim": 2,
            "noise": 0.1,
            "map_seed": 0,
            "generator": generator(),
        },
        accepts={"noise": {"zero": "points on the surface itself"}},
    ),
}

RESULTS = {"PhotographParts"}
