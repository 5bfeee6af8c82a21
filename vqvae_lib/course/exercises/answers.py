"""Reading a learner's answer: call it, take what it returns, recognise a likely mistake.

Each of these gives a value that the check can work with, or raises `Wrong` with a sentence that
says what came instead.
"""

import cmath
import contextlib
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqvae_lib.course.exercises.time_limit import StopNow
from vqvae_lib.course.exercises.verdicts import NotAttempted, Wrong
from vqvae_lib.course.words import _

__all__ = [
    "as_tensor",
    "call",
    "describe",
    "expect_number",
    "expect_tensor",
    "recognise",
    "refuse_nan",
]
# A likely mistake: its kind, the value that it gives, and what to tell the learner.
Mistake = tuple[str, Tensor, str]

_LIBRARY = Path(__file__).resolve().parents[2]
_PACKAGES = {"site-packages", "dist-packages"}


class _Returners(threading.local):
    """The functions that have returned a value, in this thread: each check runs in its own."""

    def __init__(self) -> None:
        self.functions: list[Any] = []


_returners = _Returners()


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function; its errors become `Wrong`, an empty body `NotAttempted`.

    Once a function has returned a value its body is not empty, so returning nothing is then an
    error too. Tensors are passed as copies: an answer that works in place leaves the check's own
    data alone.
    """
    if function is ... or function is None:
        raise NotAttempted(_("Replace the `...` with your answer."))
    if not callable(function):
        raise Wrong(
            "not-a-function",
            _("Expected a function, got {what}.").format(what=describe(function)),
        )
    copies = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
    try:
        value = function(*copies)
    except StopNow:
        raise
    except BaseException as error:  # also SystemExit, which would end the thread in silence
        if _is_an_empty_body(error):
            raise NotAttempted(_("Write the body of the function.")) from None
        raise Wrong("raises", _report(error)) from None
    if value is None or value is ...:
        if function in _returners.functions:
            inputs = ", ".join(
                str(a) if isinstance(a, int | float) else describe(a) for a in arguments
            )
            raise Wrong(
                "returns-nothing",
                _(
                    "For {arguments} your function returns nothing: is there a path through it "
                    "that ends without `return`?"
                ).format(arguments=inputs),
            )
        raise NotAttempted(
            _("Your function returns nothing so far: write its body, and `return` the result.")
        )
    if function not in _returners.functions:
        _returners.functions.append(function)
    return value


def as_tensor(value: Any) -> Any:
    """Convert NumPy arrays, lists of numbers and lists of rows; return anything else unchanged.

    NumPy arrays are copied: torch refuses those that run backwards, such as `a[::-1]`.
    """
    if isinstance(value, list | tuple) and value and isinstance(value[0], np.ndarray):
        with contextlib.suppress(ValueError):
            value = np.stack(value)
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        return torch.as_tensor(value.copy() if isinstance(value, np.ndarray) else value)
    if isinstance(value, list | tuple):
        with contextlib.suppress(TypeError, RuntimeError):
            return torch.stack(tuple(value))
    return value


def expect_tensor(
    value: Any,
    shape: tuple[int, ...],
    *,
    what: str,
    infinite: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return `value` as a detached tensor of the given shape and dtype.

    Parameters
    ----------
    value
        What the learner's function returned.
    shape
        The shape it must have.
    what
        How messages name the value, such as "kl(mu, log_var)".
    infinite
        Whether -infinity is allowed, as in a log-density; nan and +infinity never are.
    dtype
        Complex values are accepted only if this is complex; real ones always are.

    Raises
    ------
    Wrong
        If it is anything else.
    """
    value = as_tensor(value)
    if not isinstance(value, Tensor):
        raise Wrong(
            "type",
            _("{what}: expected a tensor of shape {shape}, got {got}.").format(
                what=what, shape=shape, got=describe(value)
            ),
        )
    if value.is_complex() and not dtype.is_complex:
        raise Wrong(
            "type",
            _("{what}: expected real numbers, got complex ones (dtype {dtype}).").format(
                what=what, dtype=str(value.dtype).removeprefix("torch.")
            ),
        )
    if tuple(value.shape) != shape:
        raise Wrong(
            "shape",
            _("{what}: expected shape {shape}, got {got}.").format(
                what=what, shape=shape, got=tuple(value.shape)
            ),
        )
    value = value.detach().to(dtype)
    if infinite and (value.isnan() | value.isposinf()).any():
        raise Wrong("not-finite", _("{what}: contains NaN or +infinity.").format(what=what))
    if not infinite and not value.isfinite().all():
        raise Wrong("not-finite", _("{what}: contains NaN or infinity.").format(what=what))
    return value


def expect_number(value: Any, *, what: str) -> float:
    """Return `value` as a finite float, or raise `Wrong` with what it is instead."""
    try:
        if isinstance(value, str | bytes):  # Python would read "0.3" as a number
            raise TypeError
        # Without `detach`, torch warns about a number that still has a gradient.
        number = complex(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(
            "type",
            _("{what}: expected a number, got {got}.").format(what=what, got=describe(value)),
        ) from None
    if not cmath.isfinite(number):
        raise Wrong("not-finite", _("{what}: is not finite.").format(what=what))
    if abs(number.imag) >= 1e-6:  # smaller ones are rounding
        raise Wrong(
            "complex",
            _("{what}: got the complex number {number:.4g}, but the answer is real.").format(
                what=what, number=number
            ),
        )
    return number.real


def refuse_nan(value: Any, kind: str, message: str) -> Any:
    """Return `value`, or raise `Wrong` with what a nan in it means in this exercise."""
    numbers = as_tensor(value)
    if isinstance(numbers, Tensor) and numbers.isnan().any():
        raise Wrong(kind, message)
    return value


def recognise(value: Tensor, truth: Tensor, mistakes: Sequence[Mistake], *, case: str = "") -> None:
    """Raise `Wrong` unless `value` is `truth`, with the message of the mistake that explains it.

    Parameters
    ----------
    value, truth
        The answer and the right value, of the same shape.
    mistakes
        What likely mistakes would give; the first that agrees with `value` is named.
    case
        The question, such as "mu = 0.4", for answers that no mistake explains.
    """

    def is_close(other: Tensor) -> bool:
        return torch.allclose(value, other.to(value.dtype), rtol=1e-3, atol=1e-4)

    if is_close(truth):
        return
    for kind, candidate, message in mistakes:
        if candidate.shape == value.shape and is_close(candidate):
            raise Wrong(kind, message)
    worst = int((value - truth).abs().argmax())
    numbers = {
        "case": case,
        "index": tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), truth.shape)),
        "expected": truth.flatten()[worst].item(),
        "got": value.flatten()[worst].item(),
    }
    text = _("The largest difference is at entry {index}: expected {expected:.4f}, got {got:.4f}.")
    if truth.numel() == 1:
        text = _("Expected {expected:.4f}, got {got:.4f}.")
    if case:
        text = _("For {case}: expected {expected:.4f}, got {got:.4f}.")
    raise Wrong("value", text.format(**numbers))


def describe(value: Any) -> str:
    """Name a value in a few words, for a message."""
    if isinstance(value, Tensor):
        return _("a tensor of shape {shape}").format(shape=tuple(value.shape))
    if isinstance(value, torch.nn.Module):
        return _("a model of type {type}").format(type=type(value).__name__)
    return f"{type(value).__name__} {_shorten(' '.join(repr(value).split()), 40)}"


# The learner's own errors -------------------------------------------------------------------------


def _report(error: BaseException) -> str:
    """Name the error, and the line of the learner's own code that raised it, in one sentence."""
    own_frames = [frame for frame in _frames(error) if _is_own(frame)]
    line = own_frames[0].line if own_frames and own_frames[0].line else ""
    name = f"{type(error).__name__}: {error}".strip().rstrip(".")
    if line:
        return _("Your code raised {error}, at `{line}`.").format(
            error=name, line=_shorten(line, 80)
        )
    return _("Your code raised {error}.").format(error=name)


def _is_an_empty_body(error: BaseException) -> bool:
    """Whether the learner's own line raised NotImplementedError.

    Packages raise it too: a torch module without `forward`, an operation that lacks a dtype.
    """
    last = _frames(error)[-1]
    line = last.line or "raise"  # code that came as text has no lines to show
    return isinstance(error, NotImplementedError) and _is_own(last) and "raise" in line


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether the frame is the learner's: outside this library and installed packages."""
    path = Path(frame.filename)
    return not path.is_relative_to(_LIBRARY) and not _PACKAGES & set(path.parts)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
