"""Throw the catalogue at a callable, one argument at a time, and tell what came of it."""

from __future__ import annotations

import dis
import inspect
import math
import re
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import vqvae_lib
from tests.bad_inputs.catalogue import bad_values, friendly_values, kind_of

LIBRARY = Path(vqvae_lib.__file__).parent
CALLS = Path(__file__).parent / "calls"
SECONDS = 20  # that the process computes, however long it waits for the machine
BYTES = 4 << 30

Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Call:
    """A valid call, and what is known about it: see `tests.bad_inputs`."""

    make: Callable[[], dict[str, Any]]
    on: Callable[[], Any] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    accepts: Labels = field(default_factory=dict)
    refuses: Labels = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)
    within: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Outcome:
    """What came of one value at one argument.

    verdict
        "refused", "inner traceback", "accepted", "warned" and "listed" (accepted, as the table
        says) for bad values; "same", "different", "not taken" and "listed" for friendly ones.
    """

    argument: str
    label: str
    verdict: str
    said: str = ""
    error: BaseException | None = None

    @property
    def failed(self) -> bool:
        return self.verdict in FAILURES

    def __str__(self) -> str:
        said = " ".join(self.said.split())
        return f"{self.verdict:>15}  {self.argument} = {self.label}: {said[:200]}"


FAILURES = ("inner traceback", "accepted", "different", "not taken", "no such label")


class ValidCallFailedError(AssertionError):
    """The table's own call is refused, or breaks."""


class TooLongError(BaseException):
    """No call here takes long; one that does would loop over a huge count."""


def attack(function: Callable[..., Any], call: Call) -> list[Outcome]:
    """Throw everything at every argument of a valid call.

    Parameters
    ----------
    function
        A function, a class, or (with `call.on`) a method as its class has it.
    call
        A valid call of it.
    """
    with _bounded_memory(), _bounded_time():
        try:
            _run(function, call, {})
        except Exception as error:
            said = f"the valid call fails: {type(error).__name__}: {error} ({_place(error)})"
            raise ValidCallFailedError(said) from error
        outcomes: list[Outcome] = []
        for argument in _make(call):
            if argument not in call.skip:
                outcomes += _attack_argument(function, call, argument)
        return outcomes


def _attack_argument(function: Callable[..., Any], call: Call, argument: str) -> Iterator[Outcome]:
    arguments = _make(call)
    valid = arguments[argument]
    kind = call.kinds.get(argument) or kind_of(argument, valid)
    accepted = _labels(call.accepts.get(argument, {}))
    refused = _labels(call.refuses.get(argument, {}))
    pattern = rf"(?<!\w)(?:{call.named.get(argument, re.escape(argument))})(?!\w)"
    shares_rows = any(
        _rows(other) == _rows(valid) is not None
        for name, other in arguments.items()
        if name != argument
    )
    bad = bad_values(kind, valid, shares_rows=shares_rows)
    if _is_starred(function, argument):  # only its items are a caller's
        bad = {label: value for label, value in bad.items() if label.startswith("an item: ")}
    default = _default(function, argument)
    for label, value in bad.items():
        if type(value) is type(default) and _is_alike(value, default):
            continue
        outcome = _throw(function, call, argument, label, value, pattern)
        if outcome.verdict == "accepted" and label in accepted:
            outcome = Outcome(argument, label, "listed", accepted[label])
        yield outcome
    friendly = {} if _is_starred(function, argument) else friendly_values(kind, valid)
    for label, friend in friendly.items():
        outcome = _offer(function, call, argument, label, friend.value, friend.plain)
        if outcome.failed and label in refused:
            outcome = Outcome(argument, label, "listed", refused[label])
        yield outcome
    for label in [*(accepted.keys() - bad), *(refused.keys() - friendly)]:
        yield Outcome(argument, label, "no such label")


def _throw(
    function: Callable[..., Any],
    call: Call,
    argument: str,
    label: str,
    value: Any,
    pattern: str,
) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = _run(function, call, {argument: value})
        except TooLongError:
            return Outcome(argument, label, "inner traceback", f"no end within {SECONDS} s")
        except Exception as error:
            # Python's own sentence about a file names it, and is as good as ours.
            of_file = isinstance(error, OSError) and _names_path(error, value)
            ours = of_file or _raised_by_library(error)
            said = f"{type(error).__name__}: {error} ({_place(error)})"
            if _raised_by_table(error):
                return Outcome(argument, label, "accepted", f"the caller's function: {said}")
            if not ours:
                return Outcome(argument, label, "inner traceback", said, error)
            if not (of_file or re.search(pattern, str(error)) or _names_other(error, call, label)):
                said = f"does not name {argument}: {said}"
                return Outcome(argument, label, "inner traceback", said, error)
            return Outcome(argument, label, "refused", said)
    named = [str(w.message) for w in caught if re.search(pattern, str(w.message))]
    if named:
        return Outcome(argument, label, "warned", named[0])
    if label.rpartition(": ")[2] in FINITE and _is_finite(result):
        return Outcome(argument, label, "listed", "a finite result")
    return Outcome(argument, label, "accepted", _written(result))


FINITE = ("huge", "all huge")
"""Numbers as good as any other, as long as the result is a number too."""


MISFITS = {"empty", "one row more", "one row", "another width", "no width", "a width of 1"}
"""Shapes of which nobody can tell which of two arguments has the wrong one."""


def _offer(
    function: Callable[..., Any], call: Call, argument: str, label: str, value: Any, plain: Any
) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = _run(function, call, {argument: plain})
        except Exception:
            return Outcome(argument, label, "same", "its plain form is refused too")
        try:
            result = _run(function, call, {argument: value})
        except (TooLongError, Exception) as error:
            said = f"{type(error).__name__}: {error} ({_place(error)})"
            return Outcome(argument, label, "not taken", said, error)
    # Another dtype draws other numbers from the same generator.
    draws = any(isinstance(other, torch.Generator) for other in _make(call).values())
    if _is_alike(result, expected, values=not draws):
        return Outcome(argument, label, "same")
    said = f"{_written(result)} for {_written(expected)}"
    return Outcome(argument, label, "different", said)


def _run(function: Callable[..., Any], call: Call, changed: dict[str, Any]) -> Any:
    """Make the call, with some arguments changed; the result of a generator is what it yields."""
    with call.within():
        arguments = {**_make(call), **changed}
        bound = getattr(call.on(), function.__name__) if call.on else function
        positional, named = _ordered(bound, arguments)
        torch.default_generator.manual_seed(0)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # anew for each call
        result = bound(*positional, **named)
        return list(result) if inspect.isgenerator(result) else result


def _make(call: Call) -> dict[str, Any]:
    """Make the valid arguments, the same ones each time."""
    torch.default_generator.manual_seed(0)  # that of the CPU alone, which is much faster
    return call.make()


def _ordered(
    function: Callable[..., Any], arguments: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Hand over by position what cannot be named: ``*states``, ``x, /``."""
    positional: list[Any] = []
    named = dict(arguments)
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in named:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += named.pop(name)
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(named.pop(name))
    return positional, named


@contextmanager
def _bounded_time() -> Iterator[None]:
    """Let the timer that each call sets raise an error, and stop it after the last."""

    def stop(signal_number: int, frame: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let a request for more memory than any call here needs fail, whatever the machine has."""
    if not Path("/proc/self/statm").exists():  # not on Linux
        yield
        return
    old, most = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (old, most))


# ---------------------------------------------------------------- what an error is


def _raised_by_library(error: Exception) -> bool:
    """Whether a `raise` of the library's made this error, and meant it for the caller.

    An error out of compiled code (torch's, NumPy's) has the library's own line as its last one too;
    there a call stands, and no `raise`.
    """
    allowed = isinstance(error, ValueError | TypeError | OSError)
    allowed = allowed or type(error).__module__.startswith("vqvae_lib")
    *_, last = traceback.walk_tb(error.__traceback__)
    steps = error.__traceback__
    while steps is not None and steps.tb_next is not None:
        steps = steps.tb_next
    code = last[0].f_code
    raised = steps is not None and code.co_code[steps.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return allowed and raised and LIBRARY in Path(code.co_filename).parents


def _raised_by_table(error: Exception) -> bool:
    """Whether a function of the table's, as a caller hands it over, raised this error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return CALLS in Path(frame.f_code.co_filename).parents


def _names_other(error: Exception, call: Call, label: str) -> bool:
    """Whether an error names another argument, whose shape does not fit that of a spoilt one."""
    others = "|".join(re.escape(name) for name in _make(call))
    return label in MISFITS and bool(re.search(rf"(?<!\w)({others}) has shape", str(error)))


def _names_path(error: OSError, value: object) -> bool:
    """Whether an error names a path, or a folder on the way there."""
    if not isinstance(value, str | Path) or len(Path(value).parts) < 2:
        return False
    path = Path(value)
    return any(f"'{place}'" in str(error) for place in (path, *path.parents)) or str(path) in str(
        error
    )


def _place(error: BaseException) -> str:
    """Name the library's last line on the way to an error."""
    place = "tests"
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if LIBRARY in file.parents:
            place = f"{file.relative_to(LIBRARY.parent)}:{line}"
    return place


# ---------------------------------------------------------------- what a result is


def _is_alike(a: Any, b: Any, *, values: bool = True) -> bool:
    """Whether two results are of the same make, and have the same values up to float32."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        a, b = torch.as_tensor(a.copy()), torch.as_tensor(b.copy())
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        a, b = a.detach(), b.detach()
        if a.shape != b.shape or a.is_complex() != b.is_complex():
            return False
        wide = torch.complex128 if a.is_complex() else torch.float64
        a, b = a.to(wide), b.to(wide)
        scale = 1.0 if not b.numel() else max(1.0, _largest(b))
        return not values or torch.allclose(a, b, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)
    if isinstance(a, bool | str) or isinstance(b, bool | str):
        return bool(a == b) or not values
    if isinstance(a, int) and isinstance(b, int):
        return a == b or not values
    if isinstance(a, int | float) and isinstance(b, int | float):
        same = math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) or (a != a and b != b)
        return not values or same
    if type(a) is not type(b):
        return False
    parts_a, parts_b = _parts(a), _parts(b)
    return parts_a.keys() == parts_b.keys() and all(
        _is_alike(parts_a[name], parts_b[name], values=values) for name in parts_a
    )


def _largest(x: Tensor) -> float:
    largest = float(x.abs().max())
    return largest if math.isfinite(largest) else 1.0


def _is_finite(result: Any) -> bool:
    if isinstance(result, np.ndarray):
        return bool(np.isfinite(result).all())
    if isinstance(result, Tensor):
        return bool(torch.isfinite(result).all())
    if isinstance(result, int | float):
        return abs(result) < math.inf
    return all(_is_finite(part) for part in _parts(result).values())


def _parts(value: Any) -> dict[Any, Any]:
    """Take a result apart: the items of a container, the fields of a record, a module's numbers."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if isinstance(value, nn.Module):
        return dict(value.state_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in fields(value)}
    return {}


def _written(result: Any) -> str:
    if isinstance(result, Tensor) and result.numel() > 4:
        return f"a tensor of shape {tuple(result.shape)}"
    text = repr(result)
    return text if len(text) <= 80 else f"{text[:80]}…"


# ---------------------------------------------------------------- what a table says


def _labels(listed: Mapping[str, str]) -> dict[str, str]:
    """Unfold ``{"zero, negative": "reason"}``."""
    return {label.strip(): why for labels, why in listed.items() for label in labels.split(",")}


def _rows(value: Any) -> int | None:
    return len(value) if isinstance(value, Tensor | np.ndarray) and value.ndim else None


def _is_starred(function: Callable[..., Any], argument: str) -> bool:
    parameter = inspect.signature(function).parameters.get(argument)
    return parameter is not None and parameter.kind is parameter.VAR_POSITIONAL


def _default(function: Callable[..., Any], argument: str) -> Any:
    parameter = inspect.signature(function).parameters.get(argument)
    return inspect.Parameter.empty if parameter is None else parameter.default
