"""The store of a comparison: a file of finished runs, to which any number of processes may add."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

__all__ = ["RunStore", "Scores"]

Scores = dict[str, float]

_BEGINNING = b'{"run": "'  # of every line that is ours


class RunStore:
    """Scores of finished runs, one line of JSON each, with a checksum.

    Lines are added, one at a time and under a lock, and never changed. What a process that was
    killed left of its last line is cut off by the next one that writes. A file that holds anything
    else is refused, and left as it is.

    Parameters
    ----------
    path
        The file; it is made if it does not exist. Beside it lies a lock, PATH.lock.

    Raises
    ------
    ValueError
        If the file holds something else, or a line was altered.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scores: dict[str, Scores] = {}  # by the key of a run
        self._end = self._lines = 0  # what has been read: its length, and lines
        with self._opened() as file:
            self._read_on(file)

    def add(self, key: str, scores: Scores) -> Scores:
        """Add a finished run, and return its scores: those of the process that came first.

        Raises
        ------
        OSError
            If the disk is full or the file cannot be written: it then is what it was.
        """
        with self._opened() as file:
            self._read_on(file)
            if key not in self.scores:
                self._write(file.fileno(), _write_line(key, scores))
                self.scores[key] = scores
        return self.scores[key]

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file for this process alone."""
        with ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(f"{self.path}.lock"))
                file = stack.enter_context(open(self.path, "a+b"))
            except OSError as error:
                raise OSError(f"store={str(self.path)!r} cannot be opened: {error}") from error
            yield file

    def _write(self, descriptor: int, line: bytes) -> None:
        try:
            os.ftruncate(descriptor, self._end)  # what a killed process left of a line
            if os.write(descriptor, line) < len(line):
                raise OSError("the disk is full")
            os.fsync(descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(descriptor, self._end)
            raise OSError(f"store={str(self.path)!r} could not be written: {error}") from error
        self._end, self._lines = self._end + len(line), self._lines + 1

    def _read_on(self, file: Any) -> None:
        """Read the lines that were added since the last look."""
        file.seek(self._end)
        beginning = file.read(len(_BEGINNING))
        if beginning != _BEGINNING[: len(beginning)]:  # before reading what may be very long
            raise self._make_error("the beginning of a line", beginning)
        content = beginning + file.read()
        *lines, rest = content.split(b"\n")
        if rest[: len(_BEGINNING)] != _BEGINNING[: len(rest)]:
            raise self._make_error("the last line", rest)
        if _is_json(rest):  # whole, but without its end: nobody but us may cut it off
            self._parse(rest, self._lines + len(lines) + 1)
        for number, line in enumerate(lines, self._lines + 1):
            key, scores = self._parse(line, number)
            self.scores.setdefault(key, scores)
        self._end += len(content) - len(rest)
        self._lines += len(lines)

    def _parse(self, line: bytes, number: int) -> tuple[str, Scores]:
        place = f"line {number}"
        try:
            entry = json.loads(line, parse_constant=_refuse_constant)
            key, scores = entry["run"], entry["scores"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._make_error(place, line) from error
        if not isinstance(key, str) or not _are_scores(scores):
            raise self._make_error(place, line)
        # Lines of earlier versions have no checksum.
        if set(entry) != {"run", "scores"} and line + b"\n" != _write_line(key, scores):
            raise ValueError(
                f"store={str(self.path)!r}, {place}: altered since it was written, its checksum "
                "does not fit; delete this line, and the run will be done again"
            )
        return key, scores

    def _make_error(self, place: str, found: bytes) -> ValueError:
        text = found[:80].decode("utf-8", "replace")
        return ValueError(
            f"store={str(self.path)!r}, {place}: expected a run as JSON, got {text!r}; the file is "
            "left as it is: pass the path of a new one, or repair the line"
        )


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _write_line(key: str, scores: Scores) -> bytes:
    content = json.dumps({"run": key, "scores": scores}, allow_nan=False)
    checksum = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f'{content[:-1]}, "sha256": "{checksum}"}}\n'.encode()


def _are_scores(scores: Any) -> bool:
    return isinstance(scores, Mapping) and all(
        type(score) in (int, float) and math.isfinite(score) for score in scores.values()
    )


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no score")
