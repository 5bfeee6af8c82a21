"""Codes of equal size, side by side: PCA, LDA, t-SNE, autoencoder, VAE and hybrid VQVAE.

`python -m experiments.dimension_reduction` fits each on ten seeds and writes the committed result
`dimension_reduction`; what was done before is not done again.

A seed chooses the split of the data and how networks begin, the same for all arms. Every arm has
two candidate settings, chosen for each table and size by the five-neighbour vote on validation data
of two seeds of their own. Codes of training data are labelled, those of test data are asked.

- PCA as it is, or with every component divided by its standard deviation.
- LDA, which is given the training labels; with or without shrinkage.
- t-SNE in two dimensions, of two perplexities. It has no map for new data, so training and test
  data are embedded together, without labels.
- AE, VAE and VQVAE with the same networks, at two learning rates. The code of the VAE and of the
  VQVAE is the posterior's mean, mu. Of the VQVAE also the circuit's features at mu: "VQVAE, o".
  Where VAE and VQVAE have chosen different rates, the VAE is run at the VQVAE's as well: "VAE, same
  rate" tells a difference between the models from one between the rates.

Data: 8x8 digits, 1150 to train on, 287 for validation, 360 for the test; wine and breast cancer,
64 %, 16 % and 20 %.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.applications.reduction import Reducer, codes_of, lda, score
from vqvae_lib.comparison import Arm, Comparison, compare
from vqvae_lib.course.results import save_result
from vqvae_lib.data import load_table
from vqvae_lib.metrics import knn_accuracy, linear_probe_accuracy, trustworthiness

RUNS = Path(__file__).parent / "_runs"
SEEDS = range(10)
TUNING_SEEDS = range(100, 102)
SIZES = {"digits": (2, 4, 8, 16), "wine": (2,), "breast_cancer": (2,)}
CLASSES = {"digits": 10, "wine": 3, "breast_cancer": 2}
HIDDEN = {"digits": 128, "wine": 64, "breast_cancer": 64}
STEPS = {"digits": 900, "wine": 300, "breast_cancer": 300}  # of training, in whole epochs
BATCH = 128
CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "PCA": [{"whiten": False}, {"whiten": True}],
    "LDA": [{"shrinkage": None}, {"shrinkage": "auto"}],
    "t-SNE": [{"perplexity": 15}, {"perplexity": 40}],
    **{arm: [{"lr": 4e-3}, {"lr": 1.2e-2}] for arm in ("AE", "VAE", "VQVAE")},
}


@dataclass(frozen=True)
class Part:
    """Training, validation or test data."""

    x: Tensor
    y: Tensor


def split(data: str, seed: int) -> tuple[Part, Part, Part]:
    """Training, validation and test data of a seed."""
    if data == "digits":
        whole: Any = vq.load_digits(seed=seed)
    else:
        whole = load_table(data, seed=seed)
    N = len(whole.x_train)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    rest, train = order[: N // 5], order[N // 5 :]
    return (
        Part(whole.x_train[train], whole.y_train[train]),
        Part(whole.x_train[rest], whole.y_train[rest]),
        Part(whole.x_test, whole.y_test),
    )


def run(arm: str, seed: int, *, data: str, d: int, **setting: Any) -> dict[str, float]:
    """Fit one arm and score its codes; an error counts with a minus, as larger is better."""
    torch.set_num_threads(1)
    train, valid, test = split(data, seed)
    if arm == "t-SNE":
        return _embed(train, valid, test, seed, d, **setting)
    reducers = {"": _fit(arm, train, seed, data, d, **setting)}
    if arm == "VQVAE":
        model, reducers = reducers[""], {}
        reducers = {"": codes_of(model), "o ": codes_of(model, "o")}
    scores = {}
    for name, reducer in reducers.items():
        found = score(reducer, train.x, train.y, test.x, test.y)._asdict()
        scores |= {f"{name}{key}": value for key, value in found.items() if key != "d"}
        codes = [reducer.encode(part.x) for part in (train, valid)]
        scores[f"{name}valid"] = knn_accuracy(codes[0], train.y, codes[1], valid.y)
        if arm == "LDA":
            del scores["error"]
        else:
            scores[f"{name}error"] *= -1
    return scores


def _fit(arm: str, train: Part, seed: int, data: str, d: int, **setting: Any) -> Any:
    """Fit an arm that has a map for new data."""
    if arm == "PCA":
        return _pca(train.x, d, **setting)
    if arm == "LDA":
        return lda(train.x, train.y, d, **setting)
    torch.manual_seed(seed)
    D = train.x.shape[1]
    if arm == "AE":
        model: Any = vq.mlp_autoencoder(D, HIDDEN[data], d)
    else:
        kind: Any = "none" if arm == "VAE" else "quantum"
        model = vq.VQVAE(D, HIDDEN[data], d, d // 2, bottleneck=kind)
    epochs = max(1, round(STEPS[data] / -(-len(train.x) // BATCH)))
    vq.fit(
        model, train.x, epochs=epochs, batch_size=BATCH, schedule=vq.cosine(epochs), seed=seed,
        progress=False, **setting,
    )  # fmt: skip
    if arm == "AE":
        model.requires_grad_(requires_grad=False)
        return Reducer(model.encode, model.decoder)
    return codes_of(model) if arm == "VAE" else model


def _pca(x: Tensor, d: int, *, whiten: bool) -> Reducer:
    fitted = vq.pca(x, d)
    size = fitted.eigenvalues[:d].sqrt() if whiten else torch.ones(d)
    return Reducer(lambda x: fitted.encode(x) / size, lambda z: fitted.decode(z * size))


def _embed(
    train: Part, valid: Part, test: Part, seed: int, d: int, *, perplexity: float
) -> dict[str, float]:
    """Score t-SNE, which is given the data of all parts at once."""
    from sklearn.manifold import TSNE

    parts = [train, valid, test]
    x = torch.cat([part.x for part in parts])
    made = TSNE(d, perplexity=perplexity, init="pca", random_state=seed).fit_transform(x.numpy())
    z_train, z_valid, z_test = torch.from_numpy(made).split([len(part.x) for part in parts])
    return {
        "trustworthiness": trustworthiness(test.x, z_test),
        "knn": knn_accuracy(z_train, train.y, z_test, test.y),
        "linear": linear_probe_accuracy(z_train, train.y, z_test, test.y),
        "valid": knn_accuracy(z_train, train.y, z_valid, valid.y),
    }


def arms(data: str, d: int) -> dict[str, list[dict[str, Any]]]:
    """Candidates of the arms that have codes of d numbers."""
    left_out = set()
    if d > CLASSES[data] - 1:
        left_out.add("LDA")
    if d != 2:
        left_out.add("t-SNE")
    return {
        name: [{"data": data, "d": d} | setting for setting in settings]
        for name, settings in CANDIDATES.items()
        if name not in left_out
    }


def with_features(found: Comparison) -> Comparison:
    """Make the circuit's features an arm of their own."""
    known = dict(found.arms)
    whole = known["VQVAE"]
    own = {name: values for name, values in whole.scores.items() if not name.startswith("o ")}
    features = {name[2:]: values for name, values in whole.scores.items() if name not in own}
    known["VQVAE"] = Arm(whole.setting, whole.tried, own)
    known["VQVAE, o"] = Arm(whole.setting, whole.tried, features)
    return Comparison(known, found.seeds, found.tuning_seeds)


def at_the_same_rate(found: Comparison) -> Comparison:
    """Add the VAE at the VQVAE's learning rate, where its own is another."""
    setting = found.arms["VQVAE"].setting
    if found.arms["VAE"].setting == setting:
        return found
    again = compare(
        run, {"VAE": [setting]}, seeds=found.seeds, tuning_seeds=(),
        store=RUNS / "dimension_reduction.jsonl",
    )  # fmt: skip
    arms_now = found.arms | {"VAE, same rate": again.arms["VAE"]}
    return Comparison(arms_now, found.seeds, found.tuning_seeds)


def main() -> None:
    """Run all comparisons and write the result."""
    parser = argparse.ArgumentParser(description="Compare codes of equal size.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    tables: dict[str, dict[str, Any]] = {}
    for data, sizes in SIZES.items():
        tables[data] = {}
        for d in sizes:
            found = compare(
                run, arms(data, d), seeds=SEEDS, tuning_seeds=TUNING_SEEDS, jobs=jobs,
                store=RUNS / "dimension_reduction.jsonl",
            )  # fmt: skip
            found = at_the_same_rate(with_features(found))
            tables[data][str(d)] = found.to_dict()
            for name in found.arms:
                knn = torch.tensor(found.arms[name].scores["knn"])
                print(f"{data} d={d} {name:10s} 5-NN {float(knn.mean()):.3f}", flush=True)
    save_result(
        "dimension_reduction", script="experiments.dimension_reduction",
        settings={
            "data": "digits 8x8, divided by 16; tables standardised by their training part",
            "split": "test 20 %, stratified, by seed; of the rest a fifth for validation",
            "hidden": HIDDEN,
            "training": {"steps": STEPS, "batch": BATCH, "optimizer": "adam",
                         "lr": "half a cosine to 0"},
            "select": "five-neighbour vote on validation data",
            "neighbours": 5,
        },
        tables=tables,
    )  # fmt: skip


if __name__ == "__main__":
    main()
