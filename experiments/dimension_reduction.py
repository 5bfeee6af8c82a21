"""Codes of equal size, side by side: PCA, LDA, t-SNE, autoencoder, VAE and hybrid VQVAE.

`python -m experiments.dimension_reduction` fits each in fourteen folds and writes the committed
result `dimension_reduction`; runs that are finished are not run again.

A fold of the digits tests one writer and validates on another. The tables record no sources; a fold
of theirs is a random split, and folds overlap. Every arm has two candidate settings, chosen in each
fold by the five-neighbour vote on validation data. Codes of training data are labelled, those of
test data are asked. Three differences per table and size are tested, and all of them corrected
together.

- PCA as it is, or with every component divided by its standard deviation.
- LDA, which is given the training labels; with or without shrinkage.
- t-SNE in two dimensions, of two perplexities. It has no map for new data, so training and test
  data are embedded together, without labels.
- AE, VAE and VQVAE with the same networks, at two learning rates. The code of the VAE and of the
  VQVAE is the posterior's mean, mu. Of the VQVAE also the circuit's features at mu: "VQVAE, o".

Data: 8x8 digits; wine and breast cancer, 64 % to train on, 14 % for validation, 21 % for the test.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.applications.reduction import LDA, Reducer, codes_of, score
from vqvae_lib.comparison import Comparison, Contrast, compare, correct_families
from vqvae_lib.course.results import save_result
from vqvae_lib.data import ImageData, TableData, load_table
from vqvae_lib.metrics import knn_accuracy, linear_probe_accuracy, trustworthiness
from vqvae_lib.splits import GroupFold, RandomSplit

RUNS = Path(__file__).parent / "_runs"
N_FOLDS = 14
FOLDS = range(N_FOLDS)
SEEDS, TUNING_SEEDS = (0, 1), (100,)
BY_ROW = RandomSplit()
TEST_TO_TRAIN = dict.fromkeys(
    ("wine", "breast_cancer"),
    BY_ROW.test_fraction / (1 - BY_ROW.valid_fraction - BY_ROW.test_fraction),
) | {"digits": 1 / (N_FOLDS - 2)}
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


# What the chapter asks of each table and size.
FAMILY = (
    Contrast("VQVAE", "VAE", "knn"),
    Contrast("VQVAE", "VAE", "linear"),
    Contrast("VAE", "PCA", "knn"),
)


def load_fold(data: str, fold: int) -> ImageData | TableData:
    """Load the training, validation and test part of a fold."""
    if data == "digits":
        return vq.load_digits(split=GroupFold(fold, N_FOLDS))
    return load_table(data, split=replace(BY_ROW, seed=fold))


def run(arm: str, fold: int, seed: int, *, data: str, d: int, **setting: Any) -> dict[str, float]:
    """Fit one arm and score its codes; an error counts with a minus, as larger is better."""
    torch.set_num_threads(1)
    parts = load_fold(data, fold)
    if arm == "t-SNE":
        return _embed(parts, seed, d, **setting)
    fitted = _fit(arm, parts.x_train, parts.y_train, seed, data, d, **setting)
    if arm == "VQVAE":
        reducers = {"": codes_of(fitted), "o ": codes_of(fitted, "o")}
    else:
        reducers = {"": fitted}
    scores = {}
    for name, reducer in reducers.items():
        row = score(reducer, parts.x_train, parts.y_train, parts.x_test, parts.y_test)._asdict()
        scores |= {f"{name}{key}": value for key, value in row.items() if key != "d"}
        codes = [reducer.encode(x) for x in (parts.x_train, parts.x_valid)]
        scores[f"{name}valid"] = knn_accuracy(codes[0], parts.y_train, codes[1], parts.y_valid)
        if arm == "LDA":
            del scores["error"]
        else:
            scores[f"{name}error"] *= -1
    return scores


def _fit(arm: str, x: Tensor, y: Tensor, seed: int, data: str, d: int, **setting: Any) -> Any:
    """Fit an arm that has a map for new data."""
    if arm == "PCA":
        return _pca(x, d, **setting)
    if arm == "LDA":
        return LDA.fit(x, y, d, **setting)
    torch.manual_seed(seed)
    D = x.shape[1]
    if arm == "AE":
        model: Any = vq.mlp_autoencoder(D, HIDDEN[data], d)
    else:
        kind: Any = "none" if arm == "VAE" else "quantum"
        model = vq.VQVAE(D, HIDDEN[data], d, d // 2, bottleneck=kind)
    epochs = max(1, round(STEPS[data] / -(-len(x) // BATCH)))
    vq.fit(
        model, x, epochs=epochs, batch_size=BATCH, schedule=vq.cosine(epochs), seed=seed,
        progress=False, **setting,
    )  # fmt: skip
    if arm == "AE":
        model.requires_grad_(requires_grad=False)
        return Reducer(model.encode, model.decoder)
    return codes_of(model) if arm == "VAE" else model


def _pca(x: Tensor, d: int, *, whiten: bool) -> Reducer:
    fitted = vq.PCA.fit(x, d)
    size = fitted.eigenvalues[:d].sqrt() if whiten else torch.ones(d)
    return Reducer(lambda x: fitted.encode(x) / size, lambda z: fitted.decode(z * size))


def _embed(
    parts: ImageData | TableData, seed: int, d: int, *, perplexity: float
) -> dict[str, float]:
    """Score t-SNE, which is given the data of all parts at once."""
    from sklearn.manifold import TSNE

    rows = [parts.x_train, parts.x_valid, parts.x_test]
    tsne = TSNE(d, perplexity=perplexity, init="pca", random_state=seed)
    codes = torch.from_numpy(tsne.fit_transform(torch.cat(rows).numpy()))  # (N, d)
    z_train, z_valid, z_test = codes.split([len(x) for x in rows])
    return {
        "trustworthiness": trustworthiness(parts.x_test, z_test),
        "knn": knn_accuracy(z_train, parts.y_train, z_test, parts.y_test),
        "linear": linear_probe_accuracy(z_train, parts.y_train, z_test, parts.y_test),
        "valid": knn_accuracy(z_train, parts.y_train, z_valid, parts.y_valid),
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


def with_features(comparison: Comparison) -> Comparison:
    """Make the circuit's features an arm of their own."""
    whole = comparison.arms["VQVAE"]
    own = {name: values for name, values in whole.scores.items() if not name.startswith("o ")}
    features = {name[2:]: values for name, values in whole.scores.items() if name not in own}
    arms = {"VQVAE": replace(whole, scores=own), "VQVAE, o": replace(whole, scores=features)}
    return replace(comparison, arms=comparison.arms | arms)


def main() -> None:
    """Run all comparisons and write the result."""
    parser = argparse.ArgumentParser(description="Compare codes of equal size.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    comparisons = {}
    for data, sizes in SIZES.items():
        for d in sizes:
            comparison = with_features(compare(
                run, arms(data, d), folds=FOLDS, seeds=SEEDS, tuning_seeds=TUNING_SEEDS,
                family=FAMILY, test_to_train=TEST_TO_TRAIN[data], jobs=jobs,
                store=RUNS / "dimension_reduction.jsonl",
            ))  # fmt: skip
            for name in comparison.arms:
                knn = comparison.unit_scores(name, "knn").mean()
                print(f"{data} d={d} {name:10s} 5-NN {knn:.3f}", flush=True)
            comparisons[f"{data} d={d}"] = comparison
    for (table, contrast), difference in correct_families(comparisons).items():
        print(f"{table} {contrast}: {difference}, detectable from {difference.detectable:.2g}")
    save_result(
        "dimension_reduction", script="experiments.dimension_reduction",
        settings={
            "data": "digits 8x8, divided by 16; tables standardised by their training part",
            "split": f"digits: {N_FOLDS} folds of the 14 writers; tables: {N_FOLDS} random splits",
            "hidden": HIDDEN,
            "training": {"steps": STEPS, "batch": BATCH, "optimizer": "adam",
                         "lr": "half a cosine to 0"},
            "select": "five-neighbour vote on validation data",
            "neighbours": 5,
        },
        tables={
            data: {str(d): comparisons[f"{data} d={d}"].to_dict() for d in sizes}
            for data, sizes in SIZES.items()
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
