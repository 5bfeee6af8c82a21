"""The package as a whole: what importing it loads, what it offers, that its examples run."""

import ast
import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from types import FunctionType

import pytest

import vqvae_lib

# Each takes long to import or is of use to few; loaded by the function that needs it.
HEAVY = {
    "IPython",
    "matplotlib",
    "numba",
    "pandas",
    "pennylane",
    "pooch",
    "requests",
    "scipy",
    "skimage",
    "sklearn",
    "vqvae_lib.course",
}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(vqvae_lib.__path__, "vqvae_lib.")
    if not module.name.startswith("vqvae_lib.course")
)


def test_importing_it_loads_torch_and_nothing_heavy_and_reads_no_file(tmp_path):
    code = """
import sys, torch
before = set(sys.modules)
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import vqvae_lib
print(*sorted(set(sys.modules) - before))
print(*(name for name in opened if not name.endswith((".py", ".pyc")) and ".pyc." not in name))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded, opened = run.stdout.splitlines()
    assert "vqvae_lib.training" in loaded.split()
    assert not HEAVY & set(loaded.split())
    assert opened == ""


def test_what_it_offers_exists_and_comes_from_its_modules():
    offered = set()
    for name in MODULES:
        if name.rpartition(".")[2].startswith("_"):
            continue
        module = importlib.import_module(name)
        for public in module.__all__:
            if not isinstance(getattr(module, public), type | FunctionType):
                continue  # a constant does not know where it was defined
            # A package offers what its modules define.
            home = getattr(module, public).__module__
            assert home == name or (hasattr(module, "__path__") and home.startswith(name)), public
            assert getattr(module, public).__doc__, public
        offered |= set(module.__all__)
    assert set(vqvae_lib.__all__) <= offered
    assert all(hasattr(vqvae_lib, name) for name in vqvae_lib.__all__)
    assert files("vqvae_lib").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", MODULES)
def test_the_library_does_not_know_the_course(name):
    source = Path(importlib.import_module(name).__file__)
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not any(n.startswith("vqvae_lib.course") for n in names), source


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_docstrings_run(name, monkeypatch):
    monkeypatch.setitem(os.environ, "VQVAE_PROGRESS", "0")
    result = doctest.testmod(importlib.import_module(name), verbose=False)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    tests = [t for name in MODULES for t in finder.find(importlib.import_module(name))]
    assert sum(bool(t.examples) for t in tests) >= 5
