"""Finding a check by the name of its exercise, and running it on a learner's answer.

The check of exercise K in chapter NN is the function `check` in `chapter_NN/exercise_K.py`. It
takes the answer and returns `Right`, or raises `Wrong` or `NotAttempted`. This module guarantees
the rest: every check ends in time, and whatever goes wrong inside it becomes a sentence, never a
traceback.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vqvae_lib.course.exercises.time_limit import OutOfTime, run_in_time
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Verdict, Wrong
from vqvae_lib.course.words import _

__all__ = ["Checks", "run_check"]
# In seconds: what an answer may compute, and what may pass if it waits or the machine is busy.
TIME_LIMIT, PATIENCE = 30.0, 300.0
_HERE = Path(__file__).parent


class Checks:
    """All checks, by exercise: `check.ex_01_2(answer)` runs exercise 2 of chapter 1."""

    def __dir__(self) -> list[str]:
        """Names of all checks, for completion with the tab key."""
        return [
            f"ex_{path.parent.name.removeprefix('chapter_')}_{path.stem.removeprefix('exercise_')}"
            for path in _HERE.glob("chapter_*/exercise_*.py")
        ]

    def __getattr__(self, name: str) -> Callable[..., Verdict]:
        number = re.fullmatch(r"ex_(\d\d)_(\d+)", name)
        if not number or not (_HERE / f"chapter_{number[1]}/exercise_{number[2]}.py").exists():
            raise AttributeError(
                _("there is no check {name!r}: expected a name such as ex_01_2").format(name=name)
            )
        module = f"{__package__}.chapter_{number[1]}.exercise_{number[2]}"
        check = importlib.import_module(module).check

        def run(*answer: Any) -> Verdict:
            return run_check(check, answer)

        run.__doc__ = check.__doc__
        return run


def run_check(check: Callable[..., Right], answer: tuple[Any, ...]) -> Verdict:
    """Run a check on the parts of an answer, within the time limit."""
    parameters = inspect.signature(check).parameters
    if len(answer) != len(parameters):
        names = ", ".join(parameters)
        return Verdict(
            "wrong",
            _("This check takes {n} argument(s): {names}.").format(n=len(parameters), names=names),
            "arguments",
        )
    if any(part is ... or part is None for part in answer):
        return Verdict("unattempted", _("Replace the `...` with your answer."))
    try:
        return run_in_time(lambda: _judge(check, answer), limit=TIME_LIMIT, patience=PATIENCE)
    except OutOfTime as outcome:
        if outcome.waiting:
            message = _("Stopped after {limit:g} s: what does your code wait for?")
        else:
            message = _(
                "Stopped after {limit:g} s: is there an endless loop, or are there very many steps?"
            )
        message = message.format(limit=PATIENCE if outcome.waiting else TIME_LIMIT)
        if outcome.running:
            message += " " + _("It is still running: restart the kernel.")
        return Verdict("wrong", message, "time")


def _judge(check: Callable[..., Right], answer: tuple[Any, ...]) -> Verdict:
    try:
        return Verdict("right", check(*answer).notice)
    except NotAttempted as outcome:
        return Verdict("unattempted", str(outcome))
    except Wrong as outcome:
        return Verdict("wrong", str(outcome), outcome.kind)
    except Exception as error:
        # The check could not work with this answer: a sentence, not our own traceback.
        message = _("The check could not use this answer ({error}). Expected: {expected}")
        expected = (check.__doc__ or "").strip().splitlines()[0]
        text = message.format(error=f"{type(error).__name__}: {error}", expected=expected)
        return Verdict("wrong", text, "unusable")
