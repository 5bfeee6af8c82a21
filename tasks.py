"""The project's commands, in one file of standard Python: `python tasks.py help`.

`make book` and `python tasks.py book` are the same. This file has to run before anything is
installed, also on a Python that is too old to use: it imports nothing but the standard library,
and keeps to syntax of Python 3.6.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
HTML = ROOT / "_build" / "html"

OLDEST, TOO_NEW = (3, 11), (3, 14)
DISK_GB = 3
# Installed first and exactly: any other request may bring several GB of CUDA libraries.
TORCH = "torch==2.13.0"
# What torch itself pins on Linux. Left out of the lock, so that a CPU build stays a CPU build.
TORCH_OWNS = ("nvidia-", "cuda-", "triton")
LOCK_HEADER = """\
# Exact versions of everything, for every platform; written by `python tasks.py lock`
# from the ranges in pyproject.toml. torch brings its own CUDA libraries where it needs any.
"""


def missing_prerequisite(version, has_module, free_gb):
    """One sentence about what this machine lacks, or None.

    `version` is a tuple like sys.version_info, `has_module` a function of a module's name,
    `free_gb` the free disk space in GB.
    """
    if not OLDEST <= tuple(version[:2]) < TOO_NEW:
        return (
            "This is Python {}.{}, and the course needs 3.11, 3.12 or 3.13: install one of them "
            "and name it, for example `make book PYTHON=python3.12`."
        ).format(*version[:2])
    for module in ("venv", "ensurepip"):
        if not has_module(module):
            return (
                f"This Python has no `{module}` module, so it cannot make an environment: "
                "install it first (on Debian and Ubuntu: `sudo apt install python3-venv`)."
            )
    if free_gb < DISK_GB:
        return (
            f"Only {free_gb:.1f} GB of disk are free at {ROOT}, and the environment and the book "
            f"need about {DISK_GB} GB: make room first."
        )
    return None


def say(text):
    """Print a line about what happens next."""
    print("==> " + text, flush=True)


def stop(sentence):
    """End with one clear sentence instead of a traceback."""
    sys.exit("\n" + sentence)


class Environment:
    """The Python that runs everything: the project's own `.venv`, or the caller's (`--here`)."""

    def __init__(self, here=False):
        self.here = here
        self.folder = Path(os.environ.get("VENV", str(ROOT / ".venv")))
        bin_folder = self.folder / ("Scripts" if os.name == "nt" else "bin")
        own = bin_folder / ("python.exe" if os.name == "nt" else "python")
        self.python = sys.executable if here else str(own)
        self.stamp = self.folder / ".installed"

    def wanted(self):
        """Fingerprint of all that decides what is installed."""
        parts = [LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), TORCH.encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def ensure(self):
        """Create the environment and install the locked versions, unless that is done."""
        if self.here:
            return
        if self.stamp.exists() and self.stamp.read_text() == self.wanted():
            say(f"The environment in {self.folder} is up to date.")
            return
        problem = missing_prerequisite(
            sys.version_info,
            lambda name: importlib.util.find_spec(name) is not None,
            shutil.disk_usage(str(ROOT)).free / 1e9,
        )
        if problem:
            stop(problem)
        say(f"Making an environment in {self.folder} (about three minutes).")
        if not Path(self.python).exists():
            self._install([sys.executable, "-m", "venv", str(self.folder)], "create it")
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        index = os.environ.get("TORCH_INDEX_URL")
        say(f"Installing {TORCH}.")
        self._install(pip + [TORCH] + (["--index-url", index] if index else []), "install torch")
        say(f"Installing the versions in {LOCK.name}.")
        self._install([*pip, "-r", str(LOCK)], "install " + LOCK.name)
        self._install(
            [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], "install vqvae_lib"
        )
        self._install([self.python, "-m", "pip", "check"], "leave no conflict")
        say("Compiling the quantum layer's kernels (about a minute, once).")
        self._install([self.python, "-m", "vqvae_lib.quantum.compiled"], "compile the kernels")
        self.stamp.write_text(self.wanted())

    def _install(self, command, purpose):
        if subprocess.call(command) != 0:
            stop(
                f"The environment is not complete, because it was not possible to {purpose}: see "
                "the lines above (no network?), then run the same command again."
            )

    def run(self, *arguments, **variables):
        """Run `python ARGUMENTS` in the environment from the project's root; stop if it fails."""
        # Text files are UTF-8, on Windows too.
        env = dict(os.environ, PYTHONUTF8="1", **variables)
        # Programs beside the environment's Python (jupyter, its kernels) are found first.
        env["PATH"] = str(Path(self.python).parent) + os.pathsep + env.get("PATH", "")
        code = subprocess.call([self.python, *list(arguments)], cwd=str(ROOT), env=env)
        if code != 0:
            sys.exit(code)


def task_setup(env, options):
    """Create the environment, or bring it up to date."""


def task_book(env, options):
    """Execute every chapter and write the HTML book (--fresh: from no cache)."""
    if options.fresh:
        shutil.rmtree(str(ROOT / "_build"), ignore_errors=True)
    say("Building the book: chapters that changed are executed first.")
    flags = ["-W", "--keep-going", "-n"]
    start = "from jupyter_book.cli.main import main; main()"
    env.run("-c", start, "build", ".", *flags)
    say("Done. Open {} in a browser.".format((HTML / "index.html").as_uri()))


def task_test(env, options):
    """Check the library, the rules for notebooks, and every notebook's outputs."""
    say("Checking style and types.")
    env.run("-m", "ruff", "check", "--quiet")
    env.run("-m", "ruff", "format", "--check", "--quiet")
    env.run("-m", "mypy", "--no-error-summary")
    say("Checking the library, the course's mechanisms and the rules for notebooks.")
    env.run("-m", "pytest", "-q", "-n", "2", "tests", OMP_NUM_THREADS="1")
    say("Running every notebook and comparing its outputs.")
    env.run(
        "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "chapters",
        "--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg",
        "--nbval-cell-timeout", "300",
        VQVAE_PROGRESS="0", OMP_NUM_THREADS="1",
    )  # fmt: skip
    say("Done: everything holds.")


def task_browser(env, options):
    """Open every page of the built book in Chromium (after `book`)."""
    say("Opening every page of the book in Chromium.")
    env.run("-m", "pytest", "-q", "-n", "2", "--dist", "loadscope", "tests/browser")


def task_lab(env, options):
    """Open the chapters in JupyterLab."""
    env.run("-m", "jupyter", "lab", "chapters")


def task_notebooks(env, options):
    """Execute and normalise the notebooks in place (03: only that chapter)."""
    env.run("-m", "vqvae_lib.course.notebooks", *options.arguments)


def task_bench(env, options):
    """Measure the library's speed, as ratios, and write the committed result."""
    env.run("-m", "experiments.speed", *options.arguments)


def task_lock(env, options):
    """Write requirements.lock anew from the ranges in pyproject.toml."""
    with tempfile.TemporaryDirectory() as folder:
        constraint, output = Path(folder) / "torch.txt", Path(folder) / "lock.txt"
        constraint.write_text(TORCH + "\n")
        env.run(
            "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
            "--fork-strategy", "fewest", "--no-header", "--no-annotate", "--upgrade",
            "--extra", "course", "--extra", "lab", "--extra", "book", "--extra", "dev",
            "--constraint", str(constraint), "--output-file", str(output), "pyproject.toml",
        )  # fmt: skip
        lines = output.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(TORCH_OWNS)]
    LOCK.write_text(LOCK_HEADER + "\n".join(kept) + "\n")
    say(f"Wrote {LOCK.name} ({len(kept)} packages).")


def task_words(env, options):
    """Write the catalogue of the words that people read anew (for translators)."""
    env.run(
        "-m", "babel.messages.frontend", "-q", "extract", "--no-location", "--sort-output",
        "--omit-header", "--no-wrap", "-o", "vqvae_lib/course/locale/vqvae_lib.pot",
        "vqvae_lib/course",
    )  # fmt: skip


def task_clean(env, options):
    """Remove what was built (the environment stays)."""
    for folder in ("_build", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis"):
        shutil.rmtree(str(ROOT / folder), ignore_errors=True)
    say("Removed the built book and the caches.")


def task_help(env, options):
    """Print this list."""
    print("python tasks.py [--here] COMMAND, or make COMMAND:\n")
    for name, task in TASKS.items():
        print(f"  {name:<10} {task.__doc__}")
    print("\n--here uses the Python that is running (conda, Binder) instead of making .venv.")


TASKS = {
    name[len("task_") :]: task for name, task in list(globals().items()) if name[:5] == "task_"
}
# These need no installed package.
BARE = (task_help, task_clean)


def main():
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description="The project's commands; `help` lists them.")
    parser.add_argument("--here", action="store_true", help="use the Python that is running")
    parser.add_argument("command", choices=list(TASKS), nargs="?", default="help")
    parser.add_argument("arguments", nargs="*", help="for notebooks: the chapter's number")
    parser.add_argument("--fresh", action="store_true", help="book: from no cache")
    options = parser.parse_args()
    env, task = Environment(options.here), TASKS[options.command]
    if task not in BARE:
        env.ensure()
    task(env, options)


if __name__ == "__main__":
    main()
