"""Notebooks as source code: execute them, and bring them into one normal form.

`python -m vqvae_lib.course.notebooks` executes every notebook below `chapters/` (or those whose
names start with the given numbers) and writes it back normalised. What nbval compares stays, text
and HTML; what changes from run to run or is drawn again for the book goes: images, widget views,
embedded state, standard error, execution metadata. The run time and memory in the header are
measured here.
"""

import argparse
import copy
import math
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import nbformat

from vqvae_lib._checks import check_instance, check_path
from vqvae_lib.course.folding import describe_fold
from vqvae_lib.course.prose import fill_links, find_numbers

__all__ = ["execute", "main", "normalise"]

CHAPTERS = Path("chapters")
TEXT_OUTPUTS = ("text/plain", "text/html")
# Whatever changes with the machine or fills kilobytes: pictures and trained weights. The same rules
# are in tests/nbval.cfg, where nbval applies them to both sides.
MASKS = [
    (re.compile(r'src(set)?="data:image/[^"]*"'), r'src\1=""'),
    (re.compile(r'data-vq-state="[^"]*"'), 'data-vq-state=""'),
]
HEADER = re.compile(r"about (\d+) s on two cores, ([\d.]+) GB of memory")
RANDOM_ID = re.compile(r"[0-9a-f]{8}|[0-9a-f-]{36}")
FOLDED = "hide-input"
# A side road: folded in the book, collapsed in JupyterLab.
DEEPER = ("## Deeper: ", "### Deeper: ")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the normal form of an executed notebook.

    Parameters
    ----------
    notebook : NotebookNode
        The executed notebook, which stays as it is.

    Returns
    -------
    NotebookNode
        Text and HTML outputs only, pictures and state masked, consecutive standard output joined,
        cells counted from 1, readable ids, what a reader need not see folded, and no metadata
        except the kernel's name, tags, captions, folds and the project's own. Normalising twice
        has the same result as normalising once.
    """
    check_instance("notebook", notebook, nbformat.NotebookNode, "what nbformat.read gives")
    notebook = copy.deepcopy(notebook)
    project_metadata = notebook.metadata.get("vqvae")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        | ({"vqvae": project_metadata} if project_metadata else {})
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    ids: set[str] = set()
    count = 0
    for cell in notebook.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        metadata = {
            k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb", "vqvae") and v
        }
        cell.metadata = nbformat.from_dict(metadata)
        _fold(cell)
        cell.id = _make_readable_id(cell, ids)
        if cell.cell_type == "code":
            cell.outputs = _normalise_outputs(cell.outputs)
            if cell.execution_count is not None:
                count += 1
                cell.execution_count = count
    return notebook


def _fold(cell: Any) -> None:
    """Fold what a reader need not see, in the book and in JupyterLab (`folding`)."""
    if cell.cell_type == "markdown":
        if cell.source.startswith(DEEPER):
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
        return
    tags = cell.metadata.get("tags", [])
    prompt = "" if "remove-cell" in tags else describe_fold(cell.source)
    if prompt:
        cell.metadata.tags = tags = [*(tag for tag in tags if tag != FOLDED), FOLDED]
        cell.metadata.mystnb = {**cell.metadata.get("mystnb", {}), "code_prompt_show": prompt}
    if FOLDED in tags:
        cell.metadata["jupyter"] = {"source_hidden": True}


def _normalise_outputs(outputs: list[Any]) -> list[Any]:
    normal: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name != "stdout":
                continue
            if normal and normal[-1].output_type == "stream":
                normal[-1].text += output.text
                continue
        elif output.output_type in ("display_data", "execute_result"):
            output.data = {
                mime: _mask(output.data[mime]) for mime in TEXT_OUTPUTS if mime in output.data
            }
            output.metadata = {}
            if output.output_type == "execute_result":
                output.execution_count = None
        normal.append(nbformat.from_dict(output))
    return normal


def _mask(text: str) -> str:
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def _make_readable_id(cell: Any, ids: set[str]) -> str:
    """Keep an id that somebody chose; replace a random one by the cell's first words."""
    name = cell.get("id", "")
    if not name or RANDOM_ID.fullmatch(name):
        words = re.findall(r"[a-z0-9]+", cell.source.lower())[:5]
        name = "-".join(words)[:48] or "empty"
    unique, n = name, 1
    while unique in ids:
        n += 1
        unique = f"{name}-{n}"
    ids.add(unique)
    return unique


def execute(path: Path) -> nbformat.NotebookNode:
    """Execute a notebook and measure what it takes.

    Parameters
    ----------
    path : Path
        The notebook, which is read but not written.

    Returns
    -------
    NotebookNode
        With outputs, and `metadata.vqvae` holding `seconds` (rounded up to 5 s) and `memory_gb`
        (peak resident memory of the kernel, to 0.1 GB). They change only if the measurement differs
        clearly, so that the header does not change with every run.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    from nbclient import NotebookClient

    path = check_path("path", path)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    start = time.perf_counter()
    with _Memory(client) as memory:
        client.execute(env=dict(os.environ, VQVAE_PROGRESS="0"))
    seconds, peak = time.perf_counter() - start, memory.peak / 1e9

    measurements = notebook.metadata.get("vqvae", {})
    if not 0.6 * measurements.get("seconds", 0) - 5 <= seconds <= measurements.get("seconds", 0):
        measurements["seconds"] = 5 * math.ceil(seconds / 5)
    if "memory_gb" not in measurements or abs(peak - measurements["memory_gb"]) > 0.15:
        measurements["memory_gb"] = round(math.ceil(peak * 10) / 10, 1)
    notebook.metadata["vqvae"] = measurements
    header = (
        f"about {measurements['seconds']} s on two cores, {measurements['memory_gb']} GB of memory"
    )
    notebook.cells[0].source = HEADER.sub(header, notebook.cells[0].source)
    return fill_numbers(notebook)


def fill_numbers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Write the numbers that the outputs show into the links of the texts (`prose`), in place.

    Raises
    ------
    KeyError
        If a text refers to a number that no cell shows.
    """
    numbers = find_numbers("\n".join(read_html(cell) for cell in notebook.cells))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = fill_links(cell.source, numbers)
    return notebook


def read_html(cell: Any) -> str:
    """All HTML that a cell shows."""
    outputs = cell.get("outputs", [])
    return "\n".join(output.get("data", {}).get("text/html", "") for output in outputs)


class _Memory:
    """Peak resident memory of the client's kernel in bytes, read every tenth of a second."""

    def __init__(self, client: Any):
        self.client = client
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while not self._end.wait(0.1):
            pid = getattr(getattr(self.client.km, "provisioner", None), "pid", None)
            if not pid:
                continue
            try:
                self.peak = max(self.peak, psutil.Process(pid).memory_info().rss)
            except psutil.NoSuchProcess:
                continue


def find_notebooks(numbers: list[str], *, root: Path = CHAPTERS) -> list[Path]:
    """List the notebooks below `root`, or those whose file names start with one of `numbers`.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    paths = sorted(p for p in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if numbers:
        paths = [p for p in paths if p.name.startswith(tuple(n.zfill(2) for n in numbers))]
    if not paths:
        raise FileNotFoundError(f"no notebook below {root} for {numbers or 'any number'}")
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Execute and normalise notebooks in place, as the module's text says."""
    parser = argparse.ArgumentParser(description="Execute and normalise the notebooks.")
    parser.add_argument("numbers", nargs="*", help="chapters, such as 03; all by default")
    try:
        paths = find_notebooks(parser.parse_args(arguments).numbers)
    except FileNotFoundError as error:
        parser.exit(2, f"{error}\n")
    for path in paths:
        start = time.perf_counter()
        print(f"{path} …", end=" ", flush=True)
        nbformat.write(normalise(execute(path)), path)
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
