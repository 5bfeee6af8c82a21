"""The book never shows an old result: it is executed anew when the library changes.

The execution cache looks at a notebook's code alone. Here the cache's folder is named after a
fingerprint of everything else that decides the outputs: a change makes a new, empty cache, and,
because Sphinx compares the folder's name with that of its last run, every page is read again.

What has to be executed is executed two notebooks at a time, before Sphinx reads one page after
the other and finds their outputs in the cache.
"""

import contextlib
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution

ROOT = Path(__file__).resolve().parents[2]


def fingerprint(root):
    """Hexadecimal digest of the library, its data files and the locked versions under `root`."""
    files = [root / "requirements.lock"]
    files += (path for path in (root / "vqvae_lib").rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in sorted(files):
        if "__pycache__" in path.parts:
            continue
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def choose_cache(app, config):
    """Point the execution cache at the fingerprint's folder and remove the others."""
    caches = Path(app.outdir).parent / ".jupyter_cache"
    cache = caches / fingerprint(Path(config.vq_fresh_root))
    for other in caches.iterdir() if caches.is_dir() else ():
        if other != cache and other.is_dir():
            shutil.rmtree(other)
    config.nb_execution_cache_path = str(cache)


def fill_cache(app, env, docnames):
    """Execute the notebooks among the pages that will be read, unless the cache has them.

    One that fails is left to Sphinx, which stops there and shows what went wrong.
    """
    cache = get_cache(app.config.nb_execution_cache_path)
    paths = [Path(env.doc2path(name)) for name in sorted(docnames)]
    notebooks = {
        path: nbformat.read(path, as_version=4) for path in paths if path.suffix == ".ipynb"
    }
    for path, notebook in list(notebooks.items()):
        with contextlib.suppress(KeyError):
            cache.match_cache_notebook(notebook)
            del notebooks[path]

    def execute(path):
        return single_nb_execution(
            notebooks[path],
            cwd=str(path.parent),
            timeout=app.config.nb_execution_timeout,
            allow_errors=False,
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, result in zip(notebooks, pool.map(execute, notebooks), strict=True):
            if result.err is None:
                bundle = CacheBundleIn(
                    result.nb, str(path), data={"execution_seconds": result.time}
                )
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def setup(app):
    # Kernels inherit these: a page has no use for a progress bar, and two kernels run at once.
    os.environ["VQVAE_PROGRESS"] = "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    app.add_config_value("vq_fresh_root", str(ROOT), "", [str])
    app.connect("config-inited", choose_cache)
    app.connect("env-before-read-docs", fill_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
