"""How a check runs a learner's answer and answers back.

A check is a function of the answer that returns `Right` or raises `Wrong`, `NotAttempted`. What
runs it, `Checks`, makes sure of the rest: it ends in time, and whatever goes wrong inside becomes
a sentence, never a traceback.
"""

import cmath
import contextlib
import ctypes
import html
import importlib
import inspect
import re
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqvae_lib.course.words import _

__all__ = [
    "Checks",
    "NotAttempted",
    "Right",
    "Verdict",
    "Wrong",
    "as_tensor",
    "call",
    "describe",
    "expect_number",
    "expect_tensor",
    "recognise",
]

TIME_LIMIT = 30.0  # seconds
_LIBRARY = Path(__file__).resolve().parents[2]
_PACKAGES = {"site-packages", "dist-packages"}


class Wrong(Exception):
    """The answer is wrong: `kind` names the mistake, the message tells the learner."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class NotAttempted(Exception):
    """Nothing has been written yet."""


@dataclass(frozen=True)
class Right:
    """The answer is right; `notice` says what to notice about it."""

    notice: str


class _TimeUp(BaseException):
    """Raised inside the learner's code when its time is up; passes `except Exception`."""


class _Answered(threading.local):
    """The functions that have returned something, in this thread: each check runs in its own."""

    def __init__(self) -> None:
        self.functions: list[Any] = []


_answered = _Answered()


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says.

    Attributes
    ----------
    status : {"right", "wrong", "unattempted"}
    message : str
        For the learner.
    kind : str
        Name of the recognised mistake, empty unless wrong.
    """

    status: str
    message: str
    kind: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "right"

    @property
    def _headline(self) -> str:
        return {
            "right": _("✓ Right."),
            "wrong": _("✗ Not yet."),
            "unattempted": _("○ Not attempted."),
        }[self.status]

    def __repr__(self) -> str:
        return f"{self._headline} {self.message}"

    def _repr_html_(self) -> str:
        # The border is the book's blue, orange and grey; the sign says the same without colour.
        colour = {"right": "#00528f", "wrong": "#c96800", "unattempted": "#6b6b6b"}[self.status]
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        return (
            f'<div class="vq-verdict vq-{self.status}" role="status" '
            f'style="border-left:4px solid {colour};padding:.4em .9em">'
            f"<strong>{self._headline}</strong> {text}</div>"
        )


class Checks:
    """All checks, by exercise: `check.ex_01_2(answer)` runs exercise 2 of chapter 1."""

    def __dir__(self) -> list[str]:
        """Names of all checks, for completion by the tab key."""
        chapters = sorted(path.stem for path in Path(__file__).parent.glob("chapter_*.py"))
        modules = [importlib.import_module(f"{__package__}.{name}") for name in chapters]
        return [name for module in modules for name in vars(module) if name.startswith("ex_")]

    def __getattr__(self, name: str) -> Callable[..., Verdict]:
        match = re.fullmatch(r"ex_(\d\d)_\d+", name)
        function = None
        if match:
            try:
                module = importlib.import_module(f"{__package__}.chapter_{match[1]}")
            except ModuleNotFoundError:
                module = None
            function = getattr(module, name, None)
        if function is None:
            raise AttributeError(
                _("there is no check {name!r}: expected a name such as ex_01_2").format(name=name)
            )

        def run(*answer: Any) -> Verdict:
            return _run(function, answer)

        run.__doc__ = function.__doc__
        return run


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function; its mistakes become `Wrong`, an empty body `NotAttempted`.

    A function that has returned something before is not empty: then nothing is a mistake too.
    Tensors are passed as copies, so that an answer that works in place does not change the
    check's own data.
    """
    if function is ... or function is None:
        raise NotAttempted(_("Replace the `...` by your answer."))
    if not callable(function):
        raise Wrong(
            "not-a-function",
            _("Expected a function, got {what}.").format(what=describe(function)),
        )
    copies = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
    try:
        value = function(*copies)
    except _TimeUp:
        raise
    except BaseException as error:  # also SystemExit, which would end the thread in silence
        if _is_an_empty_body(error):
            raise NotAttempted(_("Write the body of the function.")) from None
        raise Wrong("raises", _say_error(error)) from None
    if value is None or value is ...:
        if function in _answered.functions:
            given = ", ".join(
                str(a) if isinstance(a, int | float) else describe(a) for a in arguments
            )
            raise Wrong(
                "returns-nothing",
                _(
                    "For {given} your function returns nothing: does one way through it end "
                    "without `return`?"
                ).format(given=given),
            )
        raise NotAttempted(
            _("Your function returns nothing so far: write its body, and `return` the result.")
        )
    if function not in _answered.functions:
        _answered.functions.append(function)
    return value


def as_tensor(value: Any) -> Any:
    """Take NumPy's arrays, and lists of numbers or of rows, for tensors; give back what is neither.

    NumPy's arrays are copied: torch refuses those that run backwards, such as `a[::-1]`.
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
    """Give `value` as a tensor of `shape` and `dtype`, or say what it is instead.

    It must be finite; with `infinite`, -infinity may stand in it, as in a log-density. Complex
    numbers are accepted, and real ones taken for such, only where `dtype` is complex.
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
        raise Wrong("not-finite", _("{what}: holds NaN or +infinity.").format(what=what))
    if not infinite and not value.isfinite().all():
        raise Wrong("not-finite", _("{what}: holds NaN or infinity.").format(what=what))
    return value


def expect_number(value: Any, *, what: str) -> float:
    """Give `value` as a finite float, or say what it is instead."""
    try:
        if isinstance(value, str | bytes):  # Python would read "0.3" as a number
            raise TypeError
        # Without `detach`, torch warns of a number that a slope could be taken of.
        number = complex(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(
            "type",
            _("{what}: expected a number, got {got}.").format(what=what, got=describe(value)),
        ) from None
    if not cmath.isfinite(number):
        raise Wrong("not-finite", _("{what}: is not finite.").format(what=what))
    if abs(number.imag) >= 1e-6:  # below, what rounding leaves
        raise Wrong(
            "complex",
            _("{what}: a complex number, {number:.4g}, and the answer is real.").format(
                what=what, number=number
            ),
        )
    return number.real


def describe(value: Any) -> str:
    """Say what `value` is, in a few words."""
    if isinstance(value, Tensor):
        return _("a tensor of shape {shape}").format(shape=tuple(value.shape))
    if isinstance(value, torch.nn.Module):
        return _("a model of type {type}").format(type=type(value).__name__)
    return f"{type(value).__name__} {_cut(' '.join(repr(value).split()), 40)}"


def recognise(
    value: Tensor, truth: Tensor, mistakes: list[tuple[str, Tensor, str]], *, case: str = ""
) -> None:
    """Raise `Wrong` unless `value` is `truth`, with the message of the mistake that it looks like.

    Parameters
    ----------
    value, truth : Tensor
        The answer and the right value, of one shape; complex, if the answer may be.
    mistakes : list of (kind, Tensor, message)
        What likely mistakes would give.
    case : str
        What was asked, such as "mu = 0.4", named where no mistake is recognised.
    """

    def close(other: Tensor) -> bool:
        return torch.allclose(value, other.to(value.dtype), rtol=1e-3, atol=1e-4)

    if close(truth):
        return
    for kind, candidate, message in mistakes:
        if candidate.shape == value.shape and close(candidate):
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


# Running ------------------------------------------------------------------------------------------


def _run(function: Callable[..., Right], answer: tuple[Any, ...]) -> Verdict:
    parameters = inspect.signature(function).parameters
    if len(answer) != len(parameters):
        names = ", ".join(parameters)
        return Verdict(
            "wrong",
            _("This check takes {n} argument(s): {names}.").format(n=len(parameters), names=names),
            "arguments",
        )
    if any(part is ... or part is None for part in answer):
        return Verdict("unattempted", _("Replace the `...` by your answer."))
    return _in_time(lambda: _judge(function, answer), limit=TIME_LIMIT)


def _judge(function: Callable[..., Right], answer: tuple[Any, ...]) -> Verdict:
    try:
        right = function(*answer)
    except NotAttempted as outcome:
        return Verdict("unattempted", str(outcome))
    except Wrong as outcome:
        return Verdict("wrong", str(outcome), outcome.kind)
    except Exception as error:
        # The check could not work with what it was given: a sentence, not our own traceback.
        message = _("The check could not use this answer ({error}). Expected: {expected}")
        expected = (function.__doc__ or "").strip().splitlines()[0]
        text = message.format(error=f"{type(error).__name__}: {error}", expected=expected)
        return Verdict("wrong", text, "unusable")
    return Verdict("right", right.notice)


def _in_time(judge: Callable[[], Verdict], *, limit: float) -> Verdict:
    """Run `judge` in a thread of its own and end it when time is up.

    Signals would do it on Linux only. An exception set in the thread ends every loop written in
    Python; what hangs outside Python is left behind as a daemon.
    """
    verdicts: list[Verdict] = []

    def target() -> None:
        with contextlib.suppress(_TimeUp):
            verdicts.append(judge())

    def hook(args: threading.ExceptHookArgs) -> None:
        """Say nothing of a second `_TimeUp` that came while the first was being caught."""
        if args.exc_type is not _TimeUp:
            before(args)

    before, threading.excepthook = threading.excepthook, hook
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    try:
        thread.join(limit)
    finally:  # also when the learner interrupts the kernel
        for _attempt in range(20):  # an answer may swallow the exception: insist
            if not thread.is_alive():
                break
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TimeUp)
            )
            thread.join(0.1)
        threading.excepthook = before
    if verdicts:
        return verdicts[0]
    message = _(
        "Stopped after {limit:g} s: is there a loop without an end, or are there very many steps?"
    ).format(limit=limit)
    if thread.is_alive():
        message += " " + _("It is still running: restart the kernel.")
    return Verdict("wrong", message, "time")


def _say_error(error: BaseException) -> str:
    """Name the learner's own line that failed, and the error, in one sentence."""
    own = [frame for frame in _frames(error) if _is_own(frame)]
    line = own[0].line if own and own[0].line else ""
    said = f"{type(error).__name__}: {error}".strip().rstrip(".")
    if line:
        return _("Your code raised {said}, at `{line}`.").format(said=said, line=_cut(line, 80))
    return _("Your code raised {said}.").format(said=said)


def _is_an_empty_body(error: BaseException) -> bool:
    """Whether the learner's own line raised NotImplementedError.

    Packages do so too: a torch module without `forward`, or an operation that has no such type.
    """
    last = _frames(error)[-1]
    said = last.line or "raise"  # code that came as text has no lines to show
    return isinstance(error, NotImplementedError) and _is_own(last) and "raise" in said


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether the frame is the learner's: outside this library and installed packages."""
    path = Path(frame.filename)
    return not path.is_relative_to(_LIBRARY) and not _PACKAGES & set(path.parts)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
