"""Settings for every test run from the project's root."""

import os

# Progress bars go to standard error, which nbval compares.
os.environ.setdefault("VQVAE_PROGRESS", "0")
