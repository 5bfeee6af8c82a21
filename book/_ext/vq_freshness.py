"""The book never shows an old result: it is executed anew when the library changes.

The execution cache looks at a notebook's code alone. Here the cache's folder is named after a
fingerprint of everything else that decides the outputs: a change makes a new, empty cache, and,
because Sphinx compares the folder's name with that of its last run, every page is read again.
"""

import hashlib
import os
import shutil
from pathlib import Path

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


def setup(app):
    # Kernels inherit it: a page has no use for a progress bar.
    os.environ["VQVAE_PROGRESS"] = "0"
    app.add_config_value("vq_fresh_root", str(ROOT), "", [str])
    app.connect("config-inited", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
