"""Exercise 7.2: simulate a circuit without entangling gates, qubit by qubit."""

import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(separable: Any) -> Right:
    """A function `separable(z, weights)`, (B, 2 n) and (n, 3) to features (B, 2 n)."""
    generator = torch.Generator().manual_seed(1)
    for B, n in ((5, 3), (3, 1), (2, 50)):
        z = 2 * torch.randn(B, 2 * n, generator=generator, dtype=torch.float64)
        weights = 2 * math.pi * torch.rand(n, 3, generator=generator, dtype=torch.float64)
        with _forbid_full_state(n):
            answer = call(separable, z, weights)
        value = expect_tensor(answer, (B, 2 * n), what=f"separable(z, weights), n = {n}")
        recognise(value, _solve(z, weights), _list_mistakes(z, weights))
    return Right(
        _(
            "Each feature depends on its own qubit's two coordinates and on nothing else, so "
            "fifty qubits cost fifty small matrices, and five thousand cost five thousand. "
            "The article's circuit, as it is written, is just this: one layer of rotations."
        )
    )


@contextlib.contextmanager
def _forbid_full_state(n: int) -> Iterator[None]:
    """Stop an answer that builds a state of many qubits, before it takes all memory, and say so."""
    try:
        with _NoLargeTensor():
            yield
    except Wrong as outcome:
        error = re.search("RuntimeError|MemoryError|ValueError", str(outcome))
        if n < 50 or outcome.kind != "raises" or not error:
            raise
        raise Wrong(
            "state",
            _(
                "For fifty qubits your function fails ({error}). Does it build a state of "
                "2^50 amplitudes? Turn vectors, qubit by qubit."
            ).format(error=error[0]),
        ) from None


class _NoLargeTensor(TorchFunctionMode):
    """Raises MemoryError where torch makes a tensor of more than a million numbers."""

    def __torch_function__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        tensor = operation(*args, **(kwargs or {}))
        if isinstance(tensor, Tensor) and tensor.numel() > 2**20:
            raise MemoryError(f"a tensor of shape {tuple(tensor.shape)}")
        return tensor


def _turn(vector: Tensor, axis: str, angle: Tensor, *, slip: bool) -> Tensor:
    """Turn vectors (..., 3) about the y or z axis by angles (...,).

    With `slip`, the old x is overwritten before the other component is computed from it.
    """
    x, y, z = vector.unbind(-1)
    c, s = angle.cos(), angle.sin()
    new = c * x + s * z if axis == "y" else c * x - s * y
    if slip:
        x = new
    three = (new, y, c * z - s * x) if axis == "y" else (new, s * x + c * y, z)
    return torch.stack(torch.broadcast_tensors(*three), -1)


def _solve(
    z: Tensor,
    weights: Tensor,
    *,
    start: tuple[float, float, float] = (1, 0, 0),
    order: tuple[int, ...] = (0, 1, 2, 3, 4),
    times: tuple[float, ...] = (1, 1, 1, 1, 1),
    slips: tuple[int, ...] = (),
) -> Tensor:
    """⟨Z⟩ and ⟨X⟩ of each qubit in turn, (B, 2 n), from vectors turned in space.

    There are five turns: RY(t), RZ(u) and those of Rot. They happen in `order`, by their angles
    `times` a factor; those in `slips` are spoilt, see `_turn`.
    """
    t, u = z.reshape(len(z), -1, 2).unbind(2)  # (B, n) each
    angles = (t, u, *weights.unbind(1))
    vector = torch.tensor(start, dtype=z.dtype)
    for i in order:
        vector = _turn(vector, "yzzyz"[i], times[i] * angles[i], slip=i in slips)
    return vector[..., [2, 0]].flatten(1)  # (B, n, 3) -> (B, 2 n)


def _list_mistakes(z: Tensor, weights: Tensor) -> list[Mistake]:
    right = _solve(z, weights)
    z_first = torch.cat([right[:, ::2], right[:, 1::2]], 1)
    x_first = right.reshape(len(z), -1, 2).flip(2).flatten(1)
    halves = torch.cat(z.chunk(2, 1), 1).reshape(len(z), 2, -1).transpose(1, 2).flatten(1)
    overwritten = _(
        "A turn needs the old x twice: keep it until you have computed both components."
    )
    sense_y = _("a positive angle about y takes z towards x.")
    # Of RZ and both turns about z in Rot, all the other way, nothing is seen: y changes its sign.
    variants: list[tuple[str, dict[str, Any], str]] = [
        (
            "no-superposition",
            {"start": (0, 0, 1)},
            _("Your vector starts at the pole |0⟩, but H|0⟩ lies on the x axis."),
        ),
        ("embedding-order", {"order": (1, 0, 2, 3, 4)}, _("Turn by RY(t) first, then by RZ(u).")),
        (
            "no-u",
            {"order": (0, 2, 3, 4)},
            _("The RZ by the second coordinate is missing."),
        ),
        (
            "rot-order",
            {"order": (0, 1, 4, 3, 2)},
            _("Rot(φ, θ, ω) turns by φ first, then θ, then ω."),
        ),
        (
            "sense",
            {"times": (-1, 1, 1, -1, 1)},
            _("Your turns about y go the wrong way: {right}").format(right=sense_y),
        ),
        (
            "sense-t",
            {"times": (-1, 1, 1, 1, 1)},
            _("RY(t) turns the wrong way, although θ does not: {right}").format(right=sense_y),
        ),
        (
            "sense-theta",
            {"times": (1, 1, 1, -1, 1)},
            _("In Rot, θ turns the wrong way, although RY(t) does not: {right}").format(
                right=sense_y
            ),
        ),
        (
            "sense-z",
            {"times": (1, -1, 1, 1, 1)},
            _(
                "RZ(u) and Rot turn about z in opposite directions: a positive angle takes x "
                "towards y."
            ),
        ),
        (
            "half",
            {"times": (0.5,) * 5},
            _("Vectors turn by the whole angle; only amplitudes turn by half of it."),
        ),
        ("scale", {"times": (0.3, 0.3, 1, 1, 1)}, _("The angle scale is 1 here, not 0.3.")),
        ("overwritten", {"slips": (0, 1, 2, 3, 4)}, overwritten),
        ("overwritten", {"slips": (1, 2, 3, 4)}, overwritten),
        ("overwritten", {"slips": (2, 3, 4)}, overwritten),
    ]
    return [
        (
            "apart",
            z_first,
            _(
                "You return all ⟨Z⟩ first, then all ⟨X⟩: the exercise asks for them in turn, "
                "qubit by qubit."
            ),
        ),
        (
            "swapped",
            x_first,
            _("You return ⟨X⟩ before ⟨Z⟩: return first ⟨Z⟩, then ⟨X⟩ of each qubit."),
        ),
        *((kind, _solve(z, weights, **options), hint) for kind, options, hint in variants),
        (
            "coordinates",
            _solve(halves, weights),
            _("Qubit i takes z[2 i] and z[2 i + 1], not z[i] and z[n + i]."),
        ),
    ]
