"""The commands of tasks.py: prerequisites, skipping what is done, and what they offer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tasks

ROOT = Path(tasks.__file__).parent


def everything(_name):
    return True


@pytest.mark.parametrize("version", [(3, 10, 2), (2, 7, 18), (3, 14, 0), (4, 0, 0)])
def test_wrong_python_gives_one_sentence_that_names_it(version):
    said = tasks.missing_prerequisite(version, everything, 100.0)
    assert f"This is Python {version[0]}.{version[1]}" in said
    assert "PYTHON=" in said
    assert "\n" not in said


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_supported_python_passes(version):
    assert tasks.missing_prerequisite(version, everything, 100.0) is None


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_missing_venv_module_is_named(module):
    said = tasks.missing_prerequisite((3, 12, 0), lambda name: name != module, 100.0)
    assert f"`{module}`" in said
    assert "python3-venv" in said


def test_full_disk_is_told_with_both_numbers():
    said = tasks.missing_prerequisite((3, 12, 0), everything, 0.4)
    assert "0.4 GB" in said
    assert f"{tasks.DISK_GB} GB" in said


def test_prerequisites_are_the_first_thing_that_setup_looks_at(tmp_path):
    """A real process on a machine that lacks something ends with the sentence, no traceback."""
    script = (
        "import shutil, sys, tasks; shutil.disk_usage = lambda _: type('U', (), {'free': 1e8});"
        "sys.argv = ['tasks.py', 'book']; tasks.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"VENV": str(tmp_path / "venv"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Only 0.1 GB of disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "venv").exists()


def test_environment_is_made_once_and_again_when_the_lock_changes(tmp_path, monkeypatch):
    lock = tmp_path / "requirements.lock"
    lock.write_text("one\n")
    commands = []
    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(tasks, "LOCK", lock)

    def pretend(command, **_):
        commands.append(command)
        (tmp_path / "venv").mkdir(exist_ok=True)
        return 0

    monkeypatch.setattr(tasks.subprocess, "call", pretend)
    tasks.Environment().ensure()
    installs = [c for c in commands if "install" in c]
    assert tasks.TORCH in installs[0]  # before anything that could ask for another torch
    assert str(lock) in installs[1]
    # Last, the kernels are compiled, so that no chapter waits for them.
    assert commands[-1][1:] == ["-m", "vqvae_lib.quantum.compiled"]

    commands.clear()
    tasks.Environment().ensure()
    assert commands == []

    lock.write_text("two\n")
    tasks.Environment().ensure()
    assert any(str(lock) in c for c in commands)


def test_failed_install_is_one_sentence_and_not_taken_for_done(tmp_path, monkeypatch):
    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(tasks.subprocess, "call", lambda *_, **__: 1)
    with pytest.raises(SystemExit, match="environment is not complete"):
        tasks.Environment().ensure()
    assert not (tmp_path / "venv" / ".installed").exists()


def test_torch_index_comes_from_the_environment(tmp_path, monkeypatch):
    commands = []
    (tmp_path / "venv").mkdir()
    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.setenv("TORCH_INDEX_URL", "https://wheels.example/cpu")
    monkeypatch.setattr(tasks.subprocess, "call", lambda c, **_: commands.append(c) or 0)
    tasks.Environment().ensure()
    torch = next(c for c in commands if tasks.TORCH in c)
    assert torch[-2:] == ["--index-url", "https://wheels.example/cpu"]
    assert not any("--index-url" in c for c in commands if c is not torch)


def test_makefile_offers_every_command():
    makefile = (ROOT / "Makefile").read_text()
    offered = set(re.search(r"^TASKS = (.*)$", makefile, re.M)[1].split())
    assert offered | {"book", "notebooks", "lab"} == set(tasks.TASKS)


def test_help_lists_every_command():
    done = subprocess.run(
        [sys.executable, "tasks.py", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tasks.TASKS:
        assert re.search(rf"^  {name} ", done.stdout, re.M)


def test_tasks_needs_nothing_installed():
    """Standard library only, so that it runs on a machine that has nothing yet."""
    source = (ROOT / "tasks.py").read_text()
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.M))
    assert imported <= set(sys.stdlib_module_names)
