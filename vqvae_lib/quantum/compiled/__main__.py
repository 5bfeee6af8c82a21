"""Compile the kernels now, for both dtypes: `python -m vqvae_lib.quantum.compiled`.

Once an environment has done this, no chapter waits for it.
"""

import subprocess
import sys


def main() -> int:
    """Compile each dtype in a process of its own, at the same time."""
    code = "import sys, torch; from vqvae_lib.quantum.compiled import warm_up; "
    code += "warm_up(getattr(torch, sys.argv[1]), patience=600)"
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, dtype]) for dtype in ("float32", "float64")
    ]
    return max(abs(job.wait()) for job in jobs)


if __name__ == "__main__":
    sys.exit(main())
