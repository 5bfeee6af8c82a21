"""Data to learn from: digits that need no download, MNIST, photographs; and two tables of numbers.

Images are rows of grey levels between 0 (background) and 1: x has shape (N, D) with D = H * W.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import check_count

__all__ = [
    "ImageData",
    "TableData",
    "binarise",
    "extract_patches",
    "load_digits",
    "load_mnist",
    "load_photographs",
    "load_table",
    "random_manifold",
]

# The same files under two roofs; tried in turn, each of them twice.
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_TRIES = 2
_TIMEOUT_S = 30


@dataclass(frozen=True)
class _File:
    """One of MNIST's files: what it is called, and the sha256 it must have.

    Two sums, because a compressed file is not determined by its content: one of the file as the
    mirrors hold it, one of what is inside, which is the same however a reader's copy was packed.
    """

    name: str
    compressed: str
    content: str


_MNIST = {
    "x_train": _File(
        "train-images-idx3-ubyte",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "y_train": _File(
        "train-labels-idx1-ubyte",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "x_test": _File(
        "t10k-images-idx3-ubyte",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "y_test": _File(
        "t10k-labels-idx1-ubyte",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}

# Those that lie inside the scikit-image package; its other pictures would be downloaded.
_PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "rocket": "rocket.jpg",
}


@dataclass(frozen=True, repr=False, eq=False)
class ImageData:
    """Grey images with labels, split into training and test.

    Attributes
    ----------
    name
        What it is, for titles and file names.
    x_train, x_test
        Images as rows, shape (N, D), float32 in [0, 1].
    y_train, y_test
        Labels, shape (N,), int64.
    image_shape
        (H, W) with H * W = D.
    levels
        Grey levels above black: ``x * levels`` is a whole number.

    Raises
    ------
    ValueError
        If shapes or types do not fit, or a grey value is not finite or outside [0, 1].
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    image_shape: tuple[int, int]
    levels: int

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if x.ndim != 2 or x.shape[1] != self.D or x.dtype != torch.float32:
                raise ValueError(
                    f"x_{part} is {tuple(x.shape)} of {x.dtype}: expected (N, {self.D}) of float32"
                )
            if y.shape != x.shape[:1] or y.dtype != torch.int64:
                raise ValueError(
                    f"y_{part} is {tuple(y.shape)} of {y.dtype}: expected ({len(x)},) of int64"
                )
            _check_grey(f"x_{part}", x)

    @property
    def D(self) -> int:
        """Dimension of the data: pixels in an image."""
        return prod(self.image_shape)

    def images(self, x: Tensor) -> Tensor:
        """Fold rows into images: ``(N, D) -> (N, H, W)``."""
        if x.ndim != 2 or x.shape[1] != self.D:
            raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, {self.D})")
        return x.reshape(-1, *self.image_shape)

    def __repr__(self) -> str:
        height, width = self.image_shape
        return (
            f"ImageData({self.name!r}, {len(self.x_train)} training and {len(self.x_test)} test "
            f"images of {height}x{width}, {self.levels} grey levels above black)"
        )


def load_digits(*, size: int = 8, test_fraction: float = 0.2, seed: int = 0) -> ImageData:
    """Load the 1797 handwritten digits that come with scikit-learn: no download, 8x8 pixels.

    Parameters
    ----------
    size
        Side of the images. 8 is the data as it is, with grey levels 0, 1/16, ..., 1. Any larger
        number enlarges them (bicubic, rounded to 255 levels); 28 gives MNIST's 784 pixels.
    test_fraction
        Share of the images kept for testing, between 0 and 1.
    seed
        Chooses which; every digit has the same share in both parts.

    Returns
    -------
    ImageData
        With 1437 training and 360 test images as it stands.

    Raises
    ------
    ValueError
        If `size` is below 8 or `test_fraction` not between 0 and 1.

    Examples
    --------
    >>> load_digits()
    ImageData('digits', 1437 training and 360 test images of 8x8, 16 grey levels above black)
    """
    check_count("size", size, least=8)
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction={test_fraction!r}: expected a number between 0 and 1")
    from sklearn.datasets import load_digits as embedded_digits
    from sklearn.model_selection import train_test_split

    bunch = embedded_digits()
    x = torch.from_numpy(bunch.data).float() / 16  # (1797, 64)
    if size > 8:
        x = _enlarge(x, size)  # (1797, size * size)
    y = bunch.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(y)), test_size=test_fraction, stratify=y, random_state=seed
    )
    return ImageData(
        name="digits" if size == 8 else f"digits{size}",
        x_train=x[train],
        y_train=torch.from_numpy(y[train]),
        x_test=x[test],
        y_test=torch.from_numpy(y[test]),
        image_shape=(size, size),
        levels=16 if size == 8 else 255,
    )


def load_mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    train_size: int | None = None,
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
    seed
        Chooses which images are kept.
    download
        Whether the cache may be filled; False raises FileNotFoundError instead.

    Returns
    -------
    ImageData
        Grey levels 0, 1/255, ..., 1.

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
    paths = _find_files(Path(folder)) if folder else _fetch_files(download=download)
    part = {key: _read_idx(path, _MNIST[key].content) for key, path in paths.items()}
    for split, size in (("train", train_size), ("test", test_size)):
        x, y = part[f"x_{split}"], part[f"y_{split}"]
        if x.ndim != 3 or y.shape != x.shape[:1]:
            raise ValueError(
                f"{paths[f'x_{split}']} holds {tuple(x.shape)} and its labels {tuple(y.shape)}: "
                "expected (N, H, W) and (N,)"
            )
        if size is not None:
            if not 1 <= size <= len(x):
                raise ValueError(f"{split}_size={size!r}: expected 1 to {len(x)}, or None for all")
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            kept = order[:size]
            part[f"x_{split}"], part[f"y_{split}"] = x[kept], y[kept]
    _, height, width = part["x_train"].shape
    return ImageData(
        name="mnist",
        x_train=part["x_train"].flatten(1).float() / 255,  # (N, H, W) -> (N, D)
        y_train=part["y_train"].long(),
        x_test=part["x_test"].flatten(1).float() / 255,
        y_test=part["y_test"].long(),
        image_shape=(height, width),
        levels=255,
    )


@dataclass(frozen=True, repr=False, eq=False)
class TableData:
    """Measurements with labels, one row a sample, split into training and test.

    Attributes
    ----------
    name
        What it is, for titles and file names.
    x_train, x_test
        Rows, shape (N, D), float32; every column has mean 0 and variance 1 over the training rows.
    y_train, y_test
        Labels, shape (N,), int64.
    columns, classes
        Names of the D columns, and of the labels 0, 1, …
    mean, scale
        What was subtracted from each column and what it was then divided by, shape (D,).
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    mean: Tensor
    scale: Tensor

    @property
    def D(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def __repr__(self) -> str:
        return (
            f"TableData({self.name!r}, {len(self.x_train)} training and {len(self.x_test)} test "
            f"rows of {self.D} numbers, {len(self.classes)} classes)"
        )


def load_table(name: str, *, test_fraction: float = 0.2, seed: int = 0) -> TableData:
    """Load a small table that comes with scikit-learn: no download.

    Parameters
    ----------
    name
        "wine": 178 wines of three growers, 13 chemical measurements each. "breast_cancer": 569
        tumours, benign or malignant, 30 measurements of cell nuclei each.
    test_fraction
        Share of the rows kept for testing, between 0 and 1.
    seed
        Chooses which; every class has the same share in both parts.

    Returns
    -------
    TableData
        Columns standardised by the training part's mean and standard deviation (with 1/N): the
        test rows have no say in it.

    Raises
    ------
    ValueError
        If there is no such table or `test_fraction` is not between 0 and 1.

    Examples
    --------
    >>> load_table("wine")
    TableData('wine', 142 training and 36 test rows of 13 numbers, 3 classes)
    """
    if name not in ("wine", "breast_cancer"):
        raise ValueError(f"name={name!r}: expected 'wine' or 'breast_cancer'")
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction={test_fraction!r}: expected a number between 0 and 1")
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = datasets.load_wine() if name == "wine" else datasets.load_breast_cancer()
    x = torch.from_numpy(bunch.data).double()  # (N, D)
    y = bunch.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(y)), test_size=test_fraction, stratify=y, random_state=seed
    )
    mean = x[train].mean(dim=0)  # (D,)
    scale = x[train].std(dim=0, correction=0)
    x = ((x - mean) / scale).float()
    return TableData(
        name=name,
        x_train=x[train],
        y_train=torch.from_numpy(y[train]),
        x_test=x[test],
        y_test=torch.from_numpy(y[test]),
        columns=tuple(map(str, bunch.feature_names)),
        classes=tuple(map(str, bunch.target_names)),
        mean=mean.float(),
        scale=scale.float(),
    )


def load_photographs() -> dict[str, Tensor]:
    """Load the photographs that lie inside the scikit-image package; nothing is downloaded.

    Returns
    -------
    dict
        Grey pictures by name, each (H, W), float32 in [0, 1], of several hundred pixels a side.

    Raises
    ------
    FileNotFoundError
        If scikit-image was installed without its pictures.
    """
    import skimage
    from skimage.color import rgb2gray
    from skimage.io import imread
    from skimage.util import img_as_float

    folder = Path(skimage.__file__).parent / "data"
    photographs = {}
    for name, file in _PHOTOGRAPHS.items():
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder} holds no {file}: expected scikit-image's pictures")
        picture = img_as_float(imread(folder / file))  # (H, W) or (H, W, colours)
        if picture.ndim == 3:
            picture = rgb2gray(picture)  # -> (H, W)
        photographs[name] = torch.from_numpy(picture).float().clamp(0, 1)
    return photographs


def extract_patches(
    photographs: Mapping[str, Tensor], *, size: int | tuple[int, int], count: int, seed: int
) -> Tensor:
    """Cut patches out of photographs, every place in every photograph equally likely.

    Parameters
    ----------
    photographs
        Pictures by name, each (H, W), as `load_photographs` gives them.
    size
        Side of a square patch, or (height, width); no picture may be smaller.
    count
        How many patches.
    seed
        Chooses the places.

    Returns
    -------
    torch.Tensor
        Patches as rows, shape (count, height * width), in random order.

    Raises
    ------
    ValueError
        If there is no picture, one is not (H, W) or smaller than a patch, or `count` is below 1.

    Examples
    --------
    >>> pictures = {"a": torch.zeros(30, 40), "b": torch.ones(50, 40)}
    >>> patches = extract_patches(pictures, size=12, count=100, seed=0)
    >>> patches.shape  # 144 = 12 * 12
    torch.Size([100, 144])
    """
    if not photographs:
        raise ValueError("photographs is empty: expected one or more pictures (H, W)")
    height, width = (size, size) if isinstance(size, int) else size
    if count < 1 or min(height, width) < 1:
        raise ValueError(f"size={size!r}, count={count!r}: expected 1 or more of both")
    # Windows are views: (H, W) -> (H - height + 1, W - width + 1, height, width), none is copied.
    windows = []
    for name, picture in photographs.items():
        if picture.ndim != 2 or picture.shape[0] < height or picture.shape[1] < width:
            raise ValueError(
                f"photograph {name!r} has shape {tuple(picture.shape)}: expected (H, W), "
                f"each at least size={size}"
            )
        windows.append(picture.unfold(0, height, 1).unfold(1, width, 1))
    places = torch.tensor([w.shape[0] * w.shape[1] for w in windows])
    ends = places.cumsum(0)
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(int(ends[-1]), (count,), generator=generator)
    which = torch.searchsorted(ends, place, right=True)  # (count,), the picture of each place
    patches = torch.empty(count, height, width, dtype=windows[0].dtype)
    for i, window in enumerate(windows):
        here = which == i
        inside = place[here] - (ends[i] - places[i])
        patches[here] = window[inside // window.shape[1], inside % window.shape[1]]
    return patches.flatten(1)  # (count, height, width) -> (count, height * width)


def random_manifold(
    N: int,
    *,
    D: int = 1000,
    intrinsic_dim: int = 5,
    noise: float = 0.1,
    map_seed: int = 0,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw points near a curved surface of known dimension in a space of many dimensions.

    ``x = sin(u A + b) C + noise``, with u uniform in a cube; A, b and C mix 64 waves and are drawn
    once. So u is what there is to find, and nothing else but the noise.

    Parameters
    ----------
    N
        Number of points.
    D
        Dimension of the space.
    intrinsic_dim
        Dimension of the surface.
    noise
        Standard deviation of the noise in each dimension; without it each has variance about 1.
    map_seed
        Chooses the surface.
    generator
        Draws the points and their noise.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        Points x, shape (N, D), and where on the surface they lie, u in [-1, 1], shape
        (N, intrinsic_dim).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> x, u = random_manifold(8, generator=torch.Generator().manual_seed(0))
    >>> x.shape, u.shape
    (torch.Size([8, 1000]), torch.Size([8, 5]))
    """
    for name, value in (("N", N), ("D", D), ("intrinsic_dim", intrinsic_dim)):
        check_count(name, value)
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise={noise!r}: expected a number, 0 or more")
    waves = 64
    surface = torch.Generator().manual_seed(map_seed)
    A = torch.randn(intrinsic_dim, waves, generator=surface)
    b = 2 * torch.pi * torch.rand(waves, generator=surface)
    C = (2 / waves) ** 0.5 * torch.randn(waves, D, generator=surface)
    u = 2 * torch.rand(N, intrinsic_dim, generator=generator) - 1  # (N, intrinsic_dim)
    x = torch.sin(u @ A + b) @ C  # (N, waves) -> (N, D)
    return x + noise * torch.randn(N, D, generator=generator), u


def binarise(x: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw black or white for each pixel, white with the probability that its grey value says.

    Parameters
    ----------
    x
        Grey values in [0, 1], any shape.
    generator
        Draws the pixels.

    Returns
    -------
    torch.Tensor
        Zeros and ones, shape and type of x.

    Raises
    ------
    ValueError
        If a value is not finite or outside [0, 1].
    """
    _check_grey("x", x)
    return torch.bernoulli(x, generator=generator)


def _check_grey(name: str, x: Tensor) -> None:
    if x.numel() == 0 or not bool(((x >= 0) & (x <= 1)).all()):  # a nan fails both comparisons
        values = f"from {x.min().item():.6g} to {x.max().item():.6g}" if x.numel() else "none"
        raise ValueError(f"{name} of shape {tuple(x.shape)} has values {values}: expected [0, 1]")


def _enlarge(x: Tensor, size: int) -> Tensor:
    """Bicubic interpolation of square images, kept on 255 grey levels: (N, D) -> (N, size**2)."""
    side = isqrt(x.shape[1])
    images = x.reshape(-1, 1, side, side)
    larger = torch.nn.functional.interpolate(images, size=(size, size), mode="bicubic")
    return (larger.clamp(0, 1) * 255).round().flatten(1) / 255  # cubics overshoot at edges


def _find_files(folder: Path) -> dict[str, Path]:
    """MNIST's files in a folder of the reader's, which is left as it is."""
    for place in (folder, folder / "mnist"):
        found = {
            key: path
            for key, file in _MNIST.items()
            for path in (place / file.name, place / f"{file.name}.gz")
            if path.is_file()
        }
        if len(found) == len(_MNIST):
            return found
    names = ", ".join(f"{file.name}.gz" for file in _MNIST.values())
    raise FileNotFoundError(
        f"{folder} does not hold MNIST: expected {names} (or unpacked, without .gz), "
        "there or in its subfolder mnist"
    )


def _fetch_files(*, download: bool) -> dict[str, Path]:
    """MNIST's files in the per-user cache, downloaded where they are missing or damaged."""
    import pooch

    cache = Path(pooch.os_cache("vqvae_lib")) / "mnist"
    if not download:
        return _find_files(cache)
    return {key: _fetch(cache, file) for key, file in _MNIST.items()}


def _fetch(cache: Path, file: _File) -> Path:
    """One file of the cache. Pooch writes it elsewhere, checks it and only then moves it here."""
    import pooch
    import requests

    name, failures = f"{file.name}.gz", []
    for mirror in _MIRRORS:
        files = pooch.create(
            path=cache,
            base_url=mirror,
            registry={name: f"sha256:{file.compressed}"},
            retry_if_failed=_TRIES - 1,
        )
        try:
            return Path(files.fetch(name, downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S)))
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
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = _unpack(content)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is truncated or altered: its content has sha256 {found}, expected {sha256}"
        )
    shape = np.frombuffer(content, dtype=">u4", count=content[3], offset=4).tolist()
    pixels = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(shape))
    return torch.from_numpy(pixels.copy()).reshape(shape)


def _unpack(packed: bytes) -> bytes:
    """Unpack gzip as far as it goes: what is missing or damaged will show in the checksum."""
    unpacker = zlib.decompressobj(wbits=31)  # 31: with gzip's header
    content = []
    for start in range(0, len(packed), 1 << 16):
        try:
            content.append(unpacker.decompress(packed[start : start + (1 << 16)]))
        except zlib.error:
            break
    return b"".join(content)
