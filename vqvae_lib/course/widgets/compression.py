"""Compression: what is lost of images, against the number of qubits that a circuit keeps."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.descriptions import pack_float16
from vqvae_lib.course.words import _

__all__ = ["Compression"]

QUBITS = 7  # whose 128 eigenvectors keep the figure's HTML under 60 kB
IMAGES = 12
LENGTH = 1e-3  # how far a length may be from 1: rows rounded to float16 are accepted
ABOVE = 1e-5  # how far a trained circuit may exceed the bound: it was run in float32


class Compression(CourseWidget):
    """Images as states of n qubits, and what the best circuit that keeps k of these brings back.

    The best circuit turns the 2^k eigenvectors of ρ = mean of x xᵀ with the largest eigenvalues
    into the states of the kept qubits. The sum of these eigenvalues is the mean probability of
    finding every other qubit, the trash, in ``|0⟩``: no circuit has a higher one.

    Parameters
    ----------
    states : Tensor (N, D)
        The data set: real rows of unit length, each a state of n qubits, D = 2^n = H·W. Only the
        eigenvalues and eigenvectors of ρ are kept, the vectors rounded to float16; at most 7
        qubits.
    shown : Tensor (M, D)
        At most 12 images to show, rows of unit length. They need not belong to the data set.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    kept : int
        Number k of qubits kept at the start, from 0 to n.
    trained : dict of int to list of (int, float), optional
        What trained circuits reached on the same data set, by the number k of qubits kept: pairs
        of a number of layers and the mean probability.

    Raises
    ------
    ValueError
        If D is not 2^n, rows are not of unit length, a number is not finite, the images are too
        many or do not fit, or a number of qubits, layers or a probability is out of range.
    """

    module: ClassVar[str] = "compression"
    summary: ClassVar[tuple[str, ...]] = ("n_qubits", "kept", "image_shape")

    eigenvalues: Any = traitlets.List(help="Eigenvalues of ρ, the largest first.").tag(sync=True)
    eigenvectors: Any = traitlets.Unicode(
        help="Their vectors, one after the other, float16 as base64."
    ).tag(sync=True)
    images: Any = traitlets.Unicode(help="The images shown, float16 as base64.").tag(sync=True)
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    trained: Any = traitlets.List(
        help="What trained circuits reached: [qubits kept, layers, probability]."
    ).tag(sync=True)
    kept: Any = traitlets.Int(help="Number of qubits kept.").tag(sync=True)

    def __init__(
        self,
        states: Any,
        shown: Any,
        *,
        image_shape: tuple[int, int],
        alt: str,
        kept: int = 3,
        trained: Mapping[int, Sequence[tuple[int, float]]] | None = None,
        **kwargs: Any,
    ):
        states, images = _read_unit_rows("states", states), _read_unit_rows("shown", shown)
        D = states.shape[1]
        _check_pixels(D, images, image_shape)
        eigenvalues, eigenvectors = _decompose(states)  # (D,), (D, D)
        n = D.bit_length() - 1
        super().__init__(
            eigenvalues=eigenvalues,
            eigenvectors=pack_float16("eigenvectors: a number", eigenvectors),
            images=pack_float16("shown: a number", images),
            image_shape=[int(side) for side in image_shape],
            trained=_read_points(trained or {}, n, eigenvalues),
            kept=check_count("kept", kept, least=0, most=n),
            alt=alt,
            words=_words(),
            **kwargs,
        )

    @property
    def n_qubits(self) -> int:
        """Number n of qubits that hold an image."""
        return len(self.eigenvalues).bit_length() - 1

    @traitlets.validate("kept")
    def _check_kept(self, proposal: Any) -> int:
        return check_count("kept", proposal["value"], least=0, most=self.n_qubits)


def _read_unit_rows(name: str, value: Any) -> Tensor:
    """Return rows of unit length as doubles, with their rounding corrected."""
    rows = torch.as_tensor(value).detach().cpu()
    if rows.is_complex():
        raise ValueError(f"{name}: expected real numbers, got {rows.dtype}")
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"{name}: expected shape (rows, D), got {tuple(rows.shape)}")
    rows = rows.double()
    lengths = rows.norm(dim=1)  # (rows,)
    for row, length in enumerate(lengths.tolist()):
        if not math.isfinite(length):
            raise ValueError(f"{name}: expected finite numbers, and row {row} has one that is not")
        if abs(length - 1) > LENGTH:
            raise ValueError(f"{name}: expected rows of length 1, got {length:.4g} for row {row}")
    return rows / lengths[:, None]


def _check_pixels(D: int, images: Tensor, image_shape: Sequence[int]) -> None:
    """Refuse images and shapes that do not fit the D pixels of a state."""
    if D not in [2**n for n in range(1, QUBITS + 1)]:
        raise ValueError(
            f"states: expected D = 2^n pixels with n from 1 to {QUBITS} qubits, got D = {D}"
        )
    if not 1 <= len(images) <= IMAGES or images.shape[1] != D:
        raise ValueError(
            f"shown: expected shape (M, {D}) with M from 1 to {IMAGES} images of as many pixels as "
            f"states have, got {tuple(images.shape)}"
        )
    dark = (images.half().amax(1) <= 0).nonzero().flatten().tolist()
    if dark:
        raise ValueError(f"shown: expected a pixel above 0 in every row, got none in row {dark[0]}")
    sides = [side for side in image_shape if hasattr(side, "__index__") and side > 0]
    if len(image_shape) != 2 or len(sides) != 2 or math.prod(sides) != D:
        raise ValueError(
            f"image_shape={image_shape!r}: expected (H, W) with H·W = {D}, the pixels of states"
        )


def _decompose(states: Tensor) -> tuple[list[float], Tensor]:
    """Eigenvalues of ρ, the largest first, and its eigenvectors as rows (D, D)."""
    values, vectors = torch.linalg.eigh(states.T @ states / len(states))
    vectors = vectors.T.flip(0)
    # An eigenvector's sign is free: here its largest entry is positive, on every machine.
    largest = vectors.half().abs().argmax(1, keepdim=True)  # (D, 1)
    vectors = vectors * vectors.gather(1, largest).sign()
    # Rounding leaves tiny numbers where an eigenvalue is 0.
    clean = [value if value > 1e-12 else 0.0 for value in values.flip(0).tolist()]
    return [float(f"{value:.9g}") for value in clean], vectors


def _read_points(
    trained: Mapping[int, Sequence[tuple[int, float]]], n: int, eigenvalues: list[float]
) -> list[list[Any]]:
    """Return what circuits reached as [qubits kept, layers, probability]."""
    points: list[list[Any]] = []
    for kept, pairs in trained.items():
        kept = check_count("trained: qubits kept", kept, least=0, most=n)
        bound = sum(eigenvalues[: 2**kept])
        name = f"trained[{kept}]"
        for pair in pairs:
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise ValueError(f"{name}: expected pairs (layers, probability), got {pair!r}")
            layers, p0 = check_count(f"{name}: layers", pair[0], least=0), float(pair[1])
            if not 0 <= p0 <= bound + ABOVE:
                raise ValueError(
                    f"{name}: expected probabilities from 0 to {bound:.6f}, the bound for {kept} "
                    f"qubits kept, got {p0} for {layers} layers"
                )
            points.append([kept, layers, round(p0, 6)])
    return points


def _words() -> dict[str, str]:
    return {
        "slider": _("k, the number of qubits kept"),
        "value": _("{kept} of {n} qubits kept"),
        "readout": _(
            "{kept} of {n} qubits kept, {trash} trash: {count} of {dimensions} dimensions; no "
            "circuit can do better than {best}."
        ),
        "oneLayer": _("1 layer reached {p}."),
        "layers": _("{layers} layers reached {p}."),
        "images": _(
            "Images, and below each what the best circuit brings back. The number is the "
            "probability of finding every trash qubit in |0⟩ for this image."
        ),
        "grid": _(
            "{count} images, and what is left of each with {kept} of {n} qubits. Probabilities: "
            "{numbers}."
        ),
        "plot": _("Mean probability of finding every trash qubit in |0⟩, against k"),
        "bound": _("the best possible"),
        "trained": _("trained, with number of layers"),
        "point": _("k = {kept}: at most {best}."),
        "bars": _("Eigenvalues λᵢ of ρ, the mean of the data’s states, on a logarithmic axis"),
        "kept": _("{count} kept, together {sum}"),
        "lost": _("{count} lost, together {sum}"),
        "tiny": _("no bar: {count} below {floor}"),
    }
