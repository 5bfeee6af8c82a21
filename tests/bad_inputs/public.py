"""What is public: the callables that the book's reference lists, and their tables of calls."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.bad_inputs import calls
from tests.bad_inputs.attack import Call

REFERENCE = Path(__file__).parents[2] / "book" / "api"


@dataclass(frozen=True)
class Public:
    """A public callable.

    Attributes
    ----------
    table
        The table of calls that is its own, as ``calls/<table>.py``.
    name
        Its key there: ``function``, ``Class`` or ``Class.method``.
    """

    function: Callable[..., Any]
    module: str
    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def modules() -> list[str]:
    """Name the modules of the library that the book's reference lists, without the course."""
    listed = {
        name
        for page in REFERENCE.glob("*.md")
        for name in re.findall(r"automodule:: (vqvae_lib[\w.]*)", page.read_text(encoding="utf-8"))
    }
    return sorted(name for name in listed if not name.startswith("vqvae_lib.course"))


def collect() -> list[Public]:
    """Collect each public callable once, by the name under which it was defined."""
    found: dict[tuple[str, str], Public] = {}
    for name in modules():
        module = importlib.import_module(name)
        for public in module.__all__:
            value = getattr(module, public)
            for key, function in _callables(public, value):
                home = value.__module__
                found.setdefault((home, key), Public(function, home, _table_of(home), key))
    return [found[key] for key in sorted(found)]


def _callables(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return a function, or a class and its methods; those inherited from torch are torch's."""
    if inspect.isfunction(value):
        return [(name, value)]
    if not inspect.isclass(value) or issubclass(value, BaseException) or _is_protocol(value):
        return []
    results = getattr(_tables().get(_table_of(value.__module__)), "RESULTS", ())
    found: list[tuple[str, Any]] = [] if name in results else [(name, value)]
    for method in dir(value):
        function = getattr(value, method)
        ours = (getattr(function, "__module__", None) or "").startswith("vqvae_lib")
        if not method.startswith("_") and inspect.isroutine(function) and ours:
            found.append((f"{name}.{method}", function))
    return found


def _is_protocol(value: type) -> bool:
    return bool(getattr(value, "_is_protocol", False))


@cache
def _tables() -> dict[str, Any]:
    names = [module.name for module in pkgutil.iter_modules(calls.__path__)]
    return {name: importlib.import_module(f"{calls.__name__}.{name}") for name in names}


def _table_of(module: str) -> str:
    """Name the table of a module: the longest that begins its name, else its first part."""
    parts = module.split(".")[1:]
    names = ["_".join(parts[:n]) for n in range(len(parts), 0, -1)]
    tables = _tables()
    return next((name for name in names if name in tables), parts[0])


def calls_of(public: Public) -> list[Call]:
    """Return the valid calls that a table holds for a callable; none if it holds none."""
    table = _tables().get(public.table)
    listed = getattr(table, "CALLS", {}).get(public.name, [])
    return [listed] if isinstance(listed, Call) else list(listed)


def missing_parameters(public: Public) -> list[str]:
    """Name the parameters that no call of a callable hands over."""
    given = {name for call in calls_of(public) for name in call.make()}
    parameters = inspect.signature(public.function).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.name not in given | {"self"} and parameter.kind is not parameter.VAR_KEYWORD
    ]
