"""Photographs that come with scikit-image, and patches cut out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vqvae_lib._checks import (
    MOST,
    check_count,
    check_instance,
    check_seed,
    check_sequence,
    check_tensor,
)

__all__ = ["PhotographParts", "extract_patches", "load_photographs", "split_photographs"]

# The ones inside the scikit-image package; its other pictures would be downloaded.
_FILES = {
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


def load_photographs() -> dict[str, Tensor]:
    """Load the photographs inside the scikit-image package; nothing is downloaded.

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
    for name, file in _FILES.items():
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder} holds no {file}: expected scikit-image's pictures")
        picture = img_as_float(imread(folder / file))  # (H, W) or (H, W, colours)
        if picture.ndim == 3:
            picture = rgb2gray(picture)  # -> (H, W)
        photographs[name] = torch.from_numpy(picture).float().clamp(0, 1)
    return photographs


@dataclass(frozen=True, eq=False)
class PhotographParts:
    """Pictures by name, in three parts: cut the patches of a part from its own pictures."""

    train: dict[str, Tensor]
    valid: dict[str, Tensor]
    test: dict[str, Tensor]


def split_photographs(
    photographs: Mapping[str, Tensor],
    *,
    valid: str | Iterable[str] = (),
    test: str | Iterable[str],
) -> PhotographParts:
    """Split whole photographs, so that no test patch comes from a picture that trained.

    Patches of one picture share its light, its focus and its textures, and may overlap. Split by
    patch, a test says how well a model knows these pictures; split by photograph, how well it does
    on others. What it does on photographs at large, two or three test pictures can't say: there
    are as many independent test cases as pictures, whatever the number of patches.

    Parameters
    ----------
    photographs
        Pictures by name, each (H, W), as `load_photographs` gives them.
    valid, test
        Names of the pictures to validate and to test on, or one name; all others train.

    Raises
    ------
    ValueError
        If a name is unknown or in both parts, no picture tests, or none is left to train on.

    Examples
    --------
    >>> pictures = {name: torch.zeros(30, 40) for name in ("cat", "coins", "moon")}
    >>> parts = split_photographs(pictures, test=["moon"])
    >>> sorted(parts.train)
    ['cat', 'coins']
    >>> extract_patches(parts.test, size=12, count=50, seed=0).shape
    torch.Size([50, 144])
    """
    pictures = _check_pictures(photographs)
    valid, test = _check_names("valid", valid), _check_names("test", test)
    for argument, names in (("valid", valid), ("test", test)):
        if unknown := sorted({*names} - {*pictures}):
            raise ValueError(
                f"{argument}={names!r}: there are no photographs {unknown}; expected names out of "
                f"{sorted(pictures)}"
            )
    if shared := sorted({*valid} & {*test}):
        raise ValueError(f"photographs {shared} validate and test: expected one part for each")
    train = tuple(name for name in pictures if name not in {*valid, *test})
    if not train or not test:
        raise ValueError(f"test={test!r}: expected at least one picture to train and one to test")
    return PhotographParts(
        *({name: pictures[name] for name in names} for names in (train, valid, test))
    )


def extract_patches(
    photographs: Mapping[str, Tensor], *, size: int | tuple[int, int], count: int, seed: int
) -> Tensor:
    """Cut patches out of photographs, every place in every photograph equally likely.

    Parameters
    ----------
    photographs
        Pictures by name, each (H, W), as `load_photographs` gives them; of one part only, see
        `split_photographs`.
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
    pictures = _check_pictures(photographs)
    height, width = _check_size(size)
    count = check_count("count", count, most=MOST // (height * width))
    seed = check_seed("seed", seed)
    # Windows are views: (H, W) -> (H - height + 1, W - width + 1, height, width), none is copied.
    windows = []
    for name, picture in pictures.items():
        if picture.shape[0] < height or picture.shape[1] < width:
            raise ValueError(
                f"photograph {name!r} has shape {tuple(picture.shape)}: expected at least "
                f"size={size}"
            )
        windows.append(picture.unfold(0, height, 1).unfold(1, width, 1))
    places = torch.tensor([window.shape[0] * window.shape[1] for window in windows])
    ends = places.cumsum(0)
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(int(ends[-1]), (count,), generator=generator)
    picture_of = torch.searchsorted(ends, place, right=True)  # (count,)
    patches = torch.empty(count, height, width, dtype=windows[0].dtype)
    for i, window in enumerate(windows):
        of_this = picture_of == i
        inside = place[of_this] - (ends[i] - places[i])
        patches[of_this] = window[inside // window.shape[1], inside % window.shape[1]]
    return patches.flatten(1)  # (count, height, width) -> (count, height * width)


def _check_pictures(photographs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return one or more pictures (H, W) by name, of finite numbers and of one dtype."""
    check_instance("photographs", photographs, Mapping, "pictures (H, W) by name, in a dict")
    if not photographs:
        raise ValueError("photographs is empty: expected one or more pictures (H, W)")
    pictures: dict[str, Tensor] = {}
    for name, picture in photographs.items():
        check_instance("a key of photographs", name, str, "the name of a picture")
        x = check_tensor(f"photograph {name!r}", picture, ("H", "W"), finite=True)
        if not x.numel():
            raise ValueError(f"photograph {name!r} has shape {tuple(x.shape)}: expected pixels")
        first = next(iter(pictures.values()), x)
        pictures[name] = x.to(first.dtype)
    return pictures


def _check_names(argument: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of pictures; one may come by itself."""
    items = check_sequence(argument, [names] if isinstance(names, str) else names, "names")
    return tuple(check_instance(f"an item of {argument}", name, str, "a name") for name in items)


def _check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a patch, of which a square has one number."""
    sides = check_sequence("size", size, "(height, width)") if _has_items(size) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size={size!r}: expected a side, or (height, width)")
    height, width = (check_count("size", side) for side in sides)
    return height, width


def _has_items(size: object) -> bool:
    return isinstance(size, Iterable) and bool(getattr(size, "ndim", 1))
