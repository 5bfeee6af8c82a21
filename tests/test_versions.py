"""pyproject.toml (ranges), requirements.lock (exact versions) and environment.yml, in step."""

import os
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import tasks

ROOT = Path(tasks.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
RANGES = [Requirement(r) for rs in (PROJECT["dependencies"], *EXTRAS.values()) for r in rs]
# Rivals in the benchmark are for who wants to measure anew, and in nobody's way otherwise.
RIVALS = {Requirement(r).name for r in EXTRAS["bench"]}
LOCKED = [r for r in RANGES if r.name not in RIVALS]


def locked():
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1] != "#"
    ]
    return [Requirement(line) for line in lines if line.strip()]


def test_every_locked_version_is_exact_and_plain():
    for requirement in locked():
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert "+" not in specifier.version, requirement  # a local build such as +cpu


@pytest.mark.parametrize("wanted", LOCKED, ids=str)
def test_lock_satisfies_each_range(wanted):
    pins = [r for r in locked() if canonicalize_name(r.name) == canonicalize_name(wanted.name)]
    assert pins, f"{wanted.name} is not in the lock: run `make lock`"
    for pin in pins:
        (specifier,) = pin.specifier
        assert wanted.specifier.contains(specifier.version, prereleases=True)


def test_every_range_has_both_ends():
    for wanted in RANGES:
        assert {s.operator for s in wanted.specifier} == {">=", "<"}, wanted


def test_lock_and_commands_name_the_same_torch():
    assert tasks.TORCH in [str(r) for r in locked()]


def test_torch_brings_its_own_gpu_libraries():
    assert not [r for r in locked() if r.name.startswith(tasks.TORCH_OWNS)]


@pytest.mark.skipif("VQVAE_UNLOCKED" in os.environ, reason="the newest versions are installed")
def test_what_runs_here_is_what_is_locked():
    for pin in locked():
        if pin.marker is None or pin.marker.evaluate():
            (specifier,) = pin.specifier
            assert version(pin.name).partition("+")[0] == specifier.version, pin.name


def test_conda_installs_from_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *plain, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    (python,) = [d for d in plain if d.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))


def test_python_versions_are_told_alike():
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(
        f">={tasks.OLDEST[0]}.{tasks.OLDEST[1]},<{tasks.TOO_NEW[0]}.{tasks.TOO_NEW[1]}"
    )
    assert re.search(r"3\.11.*3\.13", (ROOT / "README.md").read_text())
