"""The hybrid VQVAE on MNIST in the article's sizes, with the VAE beside it.

`python -m experiments.mnist_vqvae` trains what the book's table shows, one run after another, and
writes each finished run into the committed result `mnist_vqvae`; `--only NAME` does one run,
`--list` names them. Data, evaluation and network are those of `experiments.mnist_vae`; between
code and decoder stand ten qubits or nothing.
"""

from experiments.mnist_vae import Run, options, study

ARTICLE = (784, 400, 20)
TABLE = {
    f"{name}, seed {seed}": Run(ARTICLE, 1, 200, 100, 2e-3, seed=seed, n_qubits=n_qubits)
    for seed in range(3)
    for name, n_qubits in (("hybrid", 10), ("plain", None))
}
GALLERY = "hybrid, seed 0"


def main() -> None:
    """Train, evaluate, and write the result after each run."""
    only = options(TABLE).only
    study("mnist_vqvae", TABLE, GALLERY, script="experiments.mnist_vqvae", only=only)


if __name__ == "__main__":
    main()
