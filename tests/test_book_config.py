"""The book's configuration and its local extensions, without building the whole book."""

import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import vqvae_lib

ROOT = Path(__file__).resolve().parents[1]
EXTENSIONS = ROOT / "book" / "_ext"
sys.path.append(str(EXTENSIONS))

import vq_complete  # noqa: E402
import vq_freshness  # noqa: E402
import vq_numbers  # noqa: E402
import vq_offline  # noqa: E402
import vq_repository  # noqa: E402
import vq_widgets  # noqa: E402


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def pages_of(toc):
    """Every page that a table of contents names."""
    if isinstance(toc, list):
        return [page for entry in toc for page in pages_of(entry)]
    if not isinstance(toc, dict):
        return []
    own = [toc[key] for key in ("root", "file") if key in toc]
    return own + [page for value in toc.values() for page in pages_of(value)]


# ------------------------------------------------------------------ configuration


def test_every_page_has_a_source():
    pages = pages_of(read_yaml("_toc.yml"))
    assert len(pages) == len(set(pages)) > 10
    lost = [p for p in pages if not any((ROOT / f"{p}{s}").is_file() for s in (".md", ".ipynb"))]
    assert lost == []


def test_every_source_is_a_page():
    found = [*(ROOT / "book").rglob("*.md"), *(ROOT / "chapters").rglob("*.ipynb")]
    found = [path.relative_to(ROOT) for path in found if ".ipynb_checkpoints" not in path.parts]
    pages = {path.with_suffix("").as_posix() for path in found}
    assert pages == set(pages_of(read_yaml("_toc.yml")))


def test_every_public_module_has_its_api_page():
    modules = {
        module.name
        for module in pkgutil.iter_modules(vqvae_lib.__path__)
        if not module.name.startswith("_")
    }
    assert modules
    assert modules == {path.stem for path in (ROOT / "book/api").glob("*.md")} - {"index"}
    index = (ROOT / "book/api/index.md").read_text("utf-8")
    for module in modules:
        page = (ROOT / f"book/api/{module}.md").read_text("utf-8")
        assert f"automodule:: vqvae_lib.{module}" in page
        assert f"vqvae_lib.{module}`" in index


def test_every_public_module_of_the_quantum_layer_is_on_its_page():
    page = (ROOT / "book/api/quantum.md").read_text("utf-8")
    modules = [module.name for module in pkgutil.iter_modules(vqvae_lib.quantum.__path__)]
    assert "circuit" in modules
    for module in modules:
        assert module.startswith("_") or f"automodule:: vqvae_lib.quantum.{module}\n" in page


def test_execution_is_strict():
    execute = read_yaml("_config.yml")["execute"]
    assert execute["raise_on_error"] is True
    assert execute["execute_notebooks"] == "cache"
    assert "cache" not in execute  # vq_freshness names the folder


def test_nothing_is_asked_of_a_network():
    sphinx = read_yaml("_config.yml")["sphinx"]["config"]
    assert sphinx["nb_ipywidgets_js"] == {}
    assert not sphinx["mathjax_path"].startswith("http")
    assert "sphinx_thebe" not in sphinx["extensions"]
    assert "intersphinx_mapping" not in sphinx


def test_local_extensions_are_enabled():
    sphinx = read_yaml("_config.yml")["sphinx"]
    names = {path.stem for path in EXTENSIONS.glob("vq_*.py")}
    assert names == set(sphinx["local_extensions"])
    assert names <= set(sphinx["config"]["extensions"])


def test_no_web_font_or_outside_address_in_the_style():
    for path in (ROOT / "book/_static").glob("*.css"):
        assert re.findall(r"@import|url\(|https?://", path.read_text("utf-8")) == []


@pytest.mark.parametrize("name", ["logo.svg", "logo-dark.svg", "favicon.svg"])
def test_drawings_are_our_own_and_whole(name):
    drawing = (ROOT / "book/_static" / name).read_text("utf-8")
    assert drawing.startswith("<svg ")
    assert "<title>" in drawing
    assert re.findall(r"href=|<image|<script", drawing) == []


# --------------------------------------------------------------------- extensions


def test_a_fork_points_at_itself(monkeypatch):
    home = "https://github.com/course/course"
    config = SimpleNamespace(html_theme_options={"repository_url": home})
    app = SimpleNamespace(config=config)
    text = [f"[issues]({home}/issues)"]

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    vq_repository.use_fork(app, config)
    vq_repository.point_text_at_fork(app, "page", text)
    assert (config.html_theme_options["repository_url"], text[0]) == (
        home,
        f"[issues]({home}/issues)",
    )

    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    vq_repository.use_fork(app, config)
    vq_repository.point_text_at_fork(app, "page", text)
    fork = "https://github.com/somebody/fork"
    assert (config.html_theme_options["repository_url"], text[0]) == (
        fork,
        f"[issues]({fork}/issues)",
    )


def test_mathjax_is_copied_in_part(tmp_path):
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    vq_offline.copy_mathjax(app)
    copied = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (
        tmp_path / "_static" / read_yaml("_config.yml")["sphinx"]["config"]["mathjax_path"]
    ) in (copied)
    assert sum(path.suffix == ".woff" for path in copied) > 10
    assert sum(path.stat().st_size for path in copied) < 3e6


def test_bundle_carries_every_module_as_a_string():
    modules = {"one": 'export default { render() { "</script>"; } };', "two": "export default 2"}
    bundle = vq_widgets.bundle(modules, "start(modules);\n")
    literal = re.search(r"const modules = (\{.*?\n\});", bundle, re.DOTALL)[1]
    assert json.loads(literal) == modules
    assert bundle.endswith("start(modules);\n})();\n")


def test_fingerprint_sees_every_kind_of_file(tmp_path):
    (tmp_path / "vqvae_lib" / "course").mkdir(parents=True)
    (tmp_path / "requirements.lock").write_text("torch==1\n")
    seen = {vq_freshness.fingerprint(tmp_path)}
    for name in ("data.py", "course/widget.js", "course/style.css", "course/result.json"):
        (tmp_path / "vqvae_lib" / name).write_text("1")
        seen.add(vq_freshness.fingerprint(tmp_path))
    (tmp_path / "requirements.lock").write_text("torch==2\n")
    seen.add(vq_freshness.fingerprint(tmp_path))
    (tmp_path / "vqvae_lib" / "data.py").rename(tmp_path / "vqvae_lib" / "renamed.py")
    seen.add(vq_freshness.fingerprint(tmp_path))
    assert len(seen) == 7

    cache = tmp_path / "vqvae_lib" / "__pycache__"
    cache.mkdir()
    (cache / "data.pyc").write_text("compiled")
    assert vq_freshness.fingerprint(tmp_path) in seen


def test_missing_pages_are_named(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "intro.html").touch()
    assert vq_complete.missing_pages(tmp_path, ["book/intro", "chapters/99"]) == ["chapters/99"]


# ------------------------------------------------------------------ a scratch book

CONF = """
import sys
sys.path.append({extensions!r})
extensions = ["myst_nb", "sphinx_external_toc", "vq_freshness", "vq_complete"]
nb_execution_mode = "cache"
vq_fresh_root = {root!r}
html_theme = "basic"
exclude_patterns = ["_build"]
suppress_warnings = ["etoc.ref"]
"""


@pytest.fixture
def scratch(tmp_path):
    """A book of two pages, whose notebook counts how often it is executed."""
    cell = "from pathlib import Path\nwith Path('runs.txt').open('a') as f: f.write('x')\n"
    cell += "print('value:', Path('vqvae_lib/data.py').read_text())"
    code = {"cell_type": "code", "id": "a", "metadata": {}, "source": cell}
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# Notebook"}
    notebook = {
        "cells": [title, {**code, "outputs": [], "execution_count": None}],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "vqvae_lib").mkdir()
    (tmp_path / "vqvae_lib" / "data.py").write_text("old")
    (tmp_path / "requirements.lock").write_text("torch==1\n")
    (tmp_path / "conf.py").write_text(CONF.format(extensions=str(EXTENSIONS), root=str(tmp_path)))
    (tmp_path / "_toc.yml").write_text("root: intro\nentries:\n- file: notebook\n")
    (tmp_path / "intro.md").write_text("# Intro\n")
    (tmp_path / "notebook.ipynb").write_text(json.dumps(notebook))

    def build():
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html"]
        return subprocess.run(
            [*command, "-d", "_build/.doctrees", ".", "_build/html"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return SimpleNamespace(folder=tmp_path, build=build)


def test_a_change_in_the_library_executes_again(scratch):
    def state():
        done = scratch.build()
        assert done.returncode == 0, done.stderr
        page = (scratch.folder / "_build/html/notebook.html").read_text("utf-8")
        caches = list((scratch.folder / "_build/.jupyter_cache").iterdir())
        runs = (scratch.folder / "runs.txt").read_text()
        return runs, re.search(r"value: (\w+)", page)[1], caches

    first = state()
    assert first[:2] == ("x", "old")
    assert state() == first  # nothing changed: nothing is executed

    (scratch.folder / "vqvae_lib" / "data.py").write_text("new")
    runs, value, caches = state()
    assert (runs, value) == ("xx", "new")
    assert len(caches) == 1  # the old cache is gone
    assert caches != first[2]


def test_notebooks_are_executed_side_by_side(scratch):
    """Each waits for the other to begin: one after the other, the first would have to run twice."""
    text = (scratch.folder / "notebook.ipynb").read_text()
    for name in ("notebook", "second"):
        notebook = json.loads(text)
        notebook["cells"][1]["source"] = (
            "import time\nfrom pathlib import Path\n"
            f"with Path('runs.txt').open('a') as f: f.write('{name} ')\n"
            "while len(set(Path('runs.txt').read_text().split())) < 2: time.sleep(0.05)"
        )
        (scratch.folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    toc = "root: intro\nentries:\n- file: notebook\n- file: second\n"
    (scratch.folder / "_toc.yml").write_text(toc)
    done = scratch.build()
    assert done.returncode == 0, done.stderr
    runs = (scratch.folder / "runs.txt").read_text().split()
    assert sorted(runs) == ["notebook", "second"]


def test_a_notebook_that_fails_fails_the_build(scratch):
    (scratch.folder / "vqvae_lib" / "data.py").unlink()
    done = scratch.build()
    assert done.returncode != 0
    assert "Executing notebook failed: CellExecutionError" in done.stderr


def test_a_missing_page_fails_the_build(scratch):
    (scratch.folder / "_toc.yml").write_text("root: intro\nentries:\n- file: lost\n")
    (scratch.folder / "notebook.ipynb").unlink()
    done = scratch.build()
    assert done.returncode != 0
    assert "lost" in done.stderr
    assert "Incomplete book" in done.stderr


# ------------------------------------------------------------------ numbers


def test_chapters_are_numbered_by_their_files():
    from docutils import nodes

    def page(number):
        toc = nodes.bullet_list()
        toc += nodes.reference(secnumber=(number,))
        toc += nodes.reference(secnumber=(number, 2))
        toc += nodes.reference()  # a heading without a number
        title = nodes.title()
        title["secnumber"] = (number,)
        return toc, title, {"": (number,), "#a": (number, 2), "#b": None}

    pages = {"chapters/07_x": page(7), "chapters/09_y": page(8), "chapters/solutions/09_y": page(3)}
    env = SimpleNamespace(
        tocs={name: toc for name, (toc, _, _) in pages.items()},
        titles={name: title for name, (_, title, _) in pages.items()},
        toc_secnumbers={name: numbers for name, (_, _, numbers) in pages.items()},
    )
    assert vq_numbers.renumber(env) == ["chapters/09_y"]
    assert env.toc_secnumbers["chapters/09_y"] == {"": (9,), "#a": (9, 2), "#b": None}
    assert env.titles["chapters/09_y"]["secnumber"] == (9,)
    found = [r.get("secnumber") for r in env.tocs["chapters/09_y"].findall(nodes.reference)]
    assert found == [(9,), (9, 2), None]
    assert env.toc_secnumbers["chapters/07_x"]["#a"] == (7, 2)
    assert env.toc_secnumbers["chapters/solutions/09_y"]["#a"] == (3, 2)
    assert vq_numbers.renumber(env) == []
