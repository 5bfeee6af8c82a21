"""Who wrote scikit-learn's digits, and what it is worth to know: writes `digit_writers`.

`python -m experiments.digit_writers` takes some five minutes on one core, and VQVAE_DATA_DIR names
MNIST's folder.

1. Where one form ends and the next begins, twice. First from the order of the labels alone: each
   form asks for the same 130 digits, so the labels are one template over and over, with fields
   missing. Then from the pixels alone: an image minus the mean image of its class shows the hand,
   and the hands change at places that never saw the order of the labels.
2. How much alike digits of one form are: distances, and whose the nearest neighbour is.
3. What the leak is worth: a VAE, PCA and nearest neighbours, tested on new writers and tested on
   new images by writers who also trained.
4. MNIST: which of the 60,000 training images stand in writer order, by where nearest neighbours
   stand.
"""

import argparse
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy.stats import t as student
from sklearn.datasets import load_digits as load_bunch
from torch import Tensor

import vqvae_lib as vq
from vqvae_lib.course.results import save_result
from vqvae_lib.data import FORM_STARTS, ImageData
from vqvae_lib.splits import GroupFold, RandomSplit, Split

FIELDS = 130  # in a form
HIDDEN, LATENT, EPOCHS, LR, DRAWS = 128, 8, 100, 4e-3, 50
FOLDS, SEEDS = range(7), range(2)
SPLIT_SEEDS = range(5)
PCA_DIMS = (2, 4, 8, 16)
NEAR = 200  # rows of MNIST's file


# ---------------------------------------------------------------- 1. boundaries


def align_labels(labels: np.ndarray, *, most_missing: int = 8) -> dict[str, Any]:
    """Align the labels with repetitions of the first form's: the cheapest path by Viterbi.

    An image stands on a field of the template. From one image to the next the field advances by
    one; each field that is passed over is missing and costs 1, a label that differs costs 3.
    """
    template, N = labels[:FIELDS], len(labels)
    field = np.arange(FIELDS)
    slips = 3.0 * (labels[:, None] != template)  # (N, FIELDS)
    cost = np.where(field <= most_missing, field, np.inf) + slips[0]
    jumps = np.empty((N, FIELDS), dtype=int)
    for n in range(1, N):
        # Row j: come from j + 1 fields before, with j of them missing.
        paths = np.stack([np.roll(cost, j + 1) + j for j in range(most_missing + 1)])
        jumps[n] = paths.argmin(axis=0)
        cost = paths.min(axis=0) + slips[n]
    place = np.empty(N, dtype=int)
    place[-1] = (cost + FIELDS - 1 - field).argmin()  # fields after the last image are missing too
    for n in range(N - 1, 0, -1):
        place[n - 1] = (place[n] - 1 - jumps[n, place[n]]) % FIELDS
    starts = [0, *(np.flatnonzero(np.diff(place) < 0) + 1).tolist()]
    return {
        "starts": starts,
        "missing": len(starts) * FIELDS - N,
        "slips": np.flatnonzero(labels != template[place]).tolist(),
    }


@dataclass(frozen=True)
class Hands:
    """A model of handwriting that does not know the order of the labels.

    An image is the mean of its class, plus the hand's way of writing this class, plus noise; the
    hand's way and the noise are Gaussian and independent in each principal direction. So the cost
    of a stretch of images by one hand, minus twice its log marginal likelihood, has a closed form
    in the number of images n of each class and the sum t of their residuals, in units of the
    noise: the sum of log(1 + n k) - t^2 k / (1 + n k) over classes and directions, up to a
    constant that is the same however the images are cut.

    Attributes
    ----------
    residuals
        Images minus the mean of their class, in units of the noise, shape (N, q).
    classes
        One-hot labels, shape (N, 10).
    ratio
        k, the variance of hands divided by that of the noise, shape (q,).
    """

    residuals: np.ndarray
    classes: np.ndarray
    ratio: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, directions: int = 20) -> "Hands":
        """Estimate the noise from images of a class that follow one another in the file."""
        means = np.stack([x[y == digit].mean(axis=0) for digit in range(10)])
        residuals = x - means[y]  # (N, D)
        _, _, axes = np.linalg.svd(residuals, full_matrices=False)
        residuals = residuals @ axes[:directions].T  # (N, D) -> (N, q)
        steps = np.concatenate([np.diff(residuals[y == digit], axis=0) for digit in range(10)])
        noise = steps.var(axis=0) / 2  # (q,); both images of a step are by one hand, but for 130
        return cls(residuals / np.sqrt(noise), np.eye(10)[y], residuals.var(axis=0) / noise - 1)

    def running_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Count the images and sum the residuals up to each row: (N + 1, 10), (N + 1, 10, q)."""
        both = self.classes[:, :, None] * self.residuals[:, None]  # (N, 10, q)
        return (
            np.concatenate([np.zeros((1, 10)), self.classes.cumsum(axis=0)]),
            np.concatenate([np.zeros((1, *both.shape[1:])), both.cumsum(axis=0)]),
        )

    def cost(self, counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
        """Cost of stretches by one hand each: (..., 10), (..., 10, q) -> (...)."""
        spread = 1 + counts[..., None] * self.ratio
        return (np.log(spread) - totals**2 * self.ratio / spread).sum(axis=(-2, -1))


def find_change_points(hands: Hands, most: int) -> tuple[list[list[int]], list[float]]:
    """Cut the file into 1, 2, …, `most` stretches of least cost, by dynamic programming.

    Returns the starts of the stretches, and their cost, for each number of stretches.
    """
    counts, totals = hands.running_sums()
    N = len(counts) - 1
    best = np.full((most + 1, N + 1), np.inf)  # cost of rows 0 to end, in k stretches
    best[0, 0] = 0.0
    last = np.zeros((most + 1, N + 1), dtype=int)  # where the last of them starts
    for end in range(1, N + 1):
        stretches = hands.cost(counts[end] - counts[:end], totals[end] - totals[:end])  # (end,)
        paths = best[:-1, :end] + stretches  # (most, end)
        last[1:, end] = paths.argmin(axis=1)
        best[1:, end] = paths.min(axis=1)
    cuts = []
    for k in range(1, most + 1):
        starts, end = [], N
        for stretches_left in range(k, 0, -1):
            end = int(last[stretches_left, end])
            starts.append(end)
        cuts.append(starts[::-1])
    return cuts, best[1:, N].tolist()


def weigh_two_hands(hands: Hands) -> dict[str, float]:
    """Weigh, in nats, that two forms are by two hands rather than by one.

    The control is a form cut in halves, which are by one hand: there the evidence is negative.
    """
    counts, totals = hands.running_sums()
    ends = [*FORM_STARTS, len(hands.classes)]
    middles = [(a + b) // 2 for a, b in itertools.pairwise(ends)]

    def evidence(first: tuple[int, int], second: tuple[int, int]) -> float:
        sums = [(counts[b] - counts[a], totals[b] - totals[a]) for a, b in (first, second)]
        one = hands.cost(sums[0][0] + sums[1][0], sums[0][1] + sums[1][1])
        return float(one - sum(hands.cost(*stretch) for stretch in sums)) / 2

    forms = list(itertools.pairwise(ends))
    pairs = [evidence(*pair) for pair in itertools.combinations(forms, 2)]
    halves = [evidence((a, m), (m, b)) for (a, b), m in zip(forms, middles, strict=True)]
    return {
        "least of all pairs of forms": min(pairs),
        "median of all pairs": float(np.median(pairs)),
        "most of all halves of one form": max(halves),
    }


# ---------------------------------------------------------------- 2. resemblance


def measure_resemblance(x: Tensor, y: Tensor, form: Tensor) -> dict[str, Any]:
    """Compare images of one class within and across forms."""
    N, n_forms = len(x), int(form.max()) + 1
    distance = torch.cdist(x, x).square().fill_diagonal_(torch.inf)  # (N, N)
    pairs = (y[:, None] == y) & ~torch.eye(N, dtype=torch.bool)  # of one class
    same = pairs & (form[:, None] == form)
    nearest = distance.where(pairs, torch.inf).argmin(dim=1)  # (N,)
    between = torch.tensor(
        [
            [
                float(distance[pairs & (form[:, None] == f) & (form == g)].mean())
                for g in range(n_forms)
            ]
            for f in range(n_forms)
        ]
    )  # (n_forms, n_forms)
    across = between[~torch.eye(n_forms, dtype=torch.bool)]
    return {
        "squared distance, same form": float(distance[same].mean()),
        "squared distance, other forms": float(distance[pairs & ~same].mean()),
        "largest of one form": float(between.diagonal().max()),
        "smallest between two forms": float(across.min()),
        "nearest neighbour from the same form": float((form[nearest] == form).double().mean()),
        "by chance": float((same.sum(1) / pairs.sum(1)).mean()),
    }


# ---------------------------------------------------------------- 3. the leak


def score(split: Split, seed: int) -> dict[str, float]:
    """Train on one part of the digits and score on another."""
    torch.set_num_threads(1)
    data = vq.load_digits(split=split)
    torch.manual_seed(seed)
    model = vq.mlp_vae(data.D, HIDDEN, LATENT, vq.Gaussian())
    vq.fit(
        model, data.x_train, epochs=EPOCHS, lr=LR, schedule=vq.cosine(EPOCHS), seed=seed,
        progress=False,
    )  # fmt: skip
    return {
        "train": estimate_elbo(model, data.x_train),
        "test": estimate_elbo(model, data.x_test),
        **score_simple_methods(data),
    }


def estimate_elbo(model: vq.VAE, x: Tensor) -> float:
    """Estimate the mean ELBO of images, in nats."""
    generator = torch.Generator().manual_seed(0)
    model.eval()
    with torch.no_grad():
        losses = [float(model.loss(x, generator=generator)["loss"]) for _ in range(DRAWS)]
    return -float(np.mean(losses))


def score_simple_methods(data: ImageData) -> dict[str, float]:
    """Score PCA's error per pixel, times 10^4, and five nearest neighbours on pixels."""
    errors = {f"pca {k}": 1e4 * vq.PCA.fit(data.x_train, k).mse(data.x_test) for k in PCA_DIMS}
    accuracy = vq.knn_accuracy(data.x_train, data.y_train, data.x_test, data.y_test)
    return errors | {"5-NN": accuracy}


def split_at_random_like(fold: GroupFold) -> RandomSplit:
    """Split by image, with the sizes that a fold of writers has."""
    data = vq.load_digits(split=fold)
    n_valid, n_test = len(data.x_valid), len(data.x_test)
    N = len(data.x_train) + n_valid + n_test
    return RandomSplit(seed=fold.fold, valid_fraction=n_valid / N, test_fraction=n_test / N)


def summarise(differences: np.ndarray, test_to_train: float) -> dict[str, float]:
    """Mean over folds, with Nadeau and Bengio's corrected interval of 95 %."""
    J = len(differences)
    width = student.ppf(0.975, J - 1) * differences.std(ddof=1) * np.sqrt(1 / J + test_to_train)
    mean = float(differences.mean())
    return {"mean": mean, "low": mean - float(width), "high": mean + float(width)}


def measure_leak(jobs: int) -> dict[str, Any]:
    """Compare a split by writers with one by image: over folds, and for the default split."""
    by_writer = [GroupFold(k, n_folds=len(FOLDS)) for k in FOLDS]
    by_image = [split_at_random_like(fold) for fold in by_writer]
    runs = [(split, seed) for split in (*by_writer, *by_image) for seed in SEEDS]
    runs += [(vq.data.WRITERS, seed) for seed in SPLIT_SEEDS]
    runs += [(RandomSplit(seed=seed), seed) for seed in SPLIT_SEEDS]
    scores = Parallel(n_jobs=jobs, verbose=1)(delayed(score)(*run) for run in runs)

    def gather(name: str, start: int, count: int) -> np.ndarray:
        return np.array([row[name] for row in scores[start : start + count]])

    J, S, P = len(FOLDS), len(SEEDS), len(SPLIT_SEEDS)
    folds, default = {}, {}
    for name in scores[0]:
        writer = gather(name, 0, J * S).reshape(J, S).mean(axis=1)  # (J,), seeds averaged
        image = gather(name, J * S, J * S).reshape(J, S).mean(axis=1)
        folds[name] = {
            "by writer": writer.tolist(),
            "by image": image.tolist(),
            "image minus writer": summarise(image - writer, test_to_train=2 / 10),
        }
        default[name] = {
            "by writer": gather(name, 2 * J * S, P).tolist(),
            "by image": gather(name, 2 * J * S + P, P).tolist(),
        }
    return {"folds": folds, "default split": default}


# ---------------------------------------------------------------- 4. MNIST's order


def measure_mnist_order(data: ImageData) -> dict[str, Any]:
    """Find which training images of MNIST have their nearest neighbour near them in the file."""
    x = torch.cat([data.x_valid, data.x_train])  # as in the file: validation comes first
    y = torch.cat([data.y_valid, data.y_train])
    N = len(x)
    nearest = find_nearest_of_class(vq.PCA.fit(x, 50).encode(x), y)  # (N,)
    row = torch.arange(N)
    gap = (nearest - row).abs()
    turn = find_end_of_alternation(gap)
    odd, late = (row % 2 == 1) & (row < turn), row >= turn
    even = (row % 2 == 0) & (row < turn)
    partner_odd = (nearest % 2 == 1) | (nearest >= turn)

    def density(chosen: Tensor, low: int, high: int) -> float:
        """Nearest neighbours at a distance, as a multiple of what a random order gives."""
        share = float(((gap[chosen] >= low) & (gap[chosen] < high)).double().mean())
        return share * N / (2 * (high - low))

    edges = (1, 20, 50, 100, 150, 200, 300, 1000)
    return {
        "rows": N,
        "end of the alternation": turn,
        "distances": list(edges),
        "times chance": {
            name: [density(chosen, a, b) for a, b in itertools.pairwise(edges)]
            for name, chosen in (("even rows", even), ("odd rows", odd), ("last rows", late))
        },
        "odd rows whose near neighbour is odd": float(
            partner_odd[odd & (gap < NEAR)].double().mean()
        ),
    }


def find_nearest_of_class(z: Tensor, y: Tensor) -> Tensor:
    """Find for each code the row of the nearest other code of its class: (N, d) -> (N,)."""
    nearest = torch.empty(len(z), dtype=torch.int64)
    for digit in range(10):
        rows = (y == digit).nonzero().flatten()
        for start in range(0, len(rows), 1000):
            block = rows[start : start + 1000]
            distance = torch.cdist(z[block], z[rows])
            distance[block[:, None] == rows] = torch.inf
            nearest[block] = rows[distance.argmin(dim=1)]
    return nearest


def find_end_of_alternation(gap: Tensor, near: int = 60) -> int:
    """Find the even row from which even rows have near neighbours too, by likelihood."""
    local = (gap[::2] < near).double()  # (N / 2,)
    n = torch.arange(1, len(local), dtype=torch.float64)
    before = local.cumsum(0)[:-1]
    after = local.sum() - before

    def log_likelihood(hits: Tensor, count: Tensor) -> Tensor:
        rate = (hits / count).clamp(1e-9, 1 - 1e-9)
        return hits * rate.log() + (count - hits) * (1 - rate).log()

    gain = log_likelihood(before, n) + log_likelihood(after, len(local) - n)
    return 2 * (int(gain.argmax()) + 1)


# ---------------------------------------------------------------- all of it


def main() -> None:
    """Measure everything and write the result."""
    parser = argparse.ArgumentParser(
        description="Who wrote the digits, and what the leak is worth."
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    jobs = parser.parse_args().jobs
    bunch = load_bunch()
    x, y = bunch.data / 16, bunch.target
    labels = align_labels(y)
    hands = Hands.fit(x, y)
    cuts, costs = find_change_points(hands, most=20)
    pixels = {
        "starts": cuts[len(FORM_STARTS) - 1],
        # In nats: what each further cut adds to the log marginal likelihood.
        "gain of each cut": [(a - b) / 2 for a, b in itertools.pairwise(costs)],
        "two hands": weigh_two_hands(hands),
    }
    form = vq.data.digits.form_of_each_image()
    resemblance = measure_resemblance(torch.from_numpy(x), torch.from_numpy(y), form)
    print(labels, pixels, resemblance, sep="\n")
    mnist = measure_mnist_order(vq.load_mnist())
    print(mnist)
    leak = measure_leak(jobs)
    for part, table in leak.items():
        print(part)
        for name, numbers in table.items():
            print(f"  {name:8s}", numbers.get("image minus writer", ""), end=" ")
            print({k: round(float(np.mean(v)), 4) for k, v in numbers.items() if "minus" not in k})
    save_result(
        "digit_writers",
        script="experiments.digit_writers",
        settings={
            "hidden": HIDDEN, "latent": LATENT, "epochs": EPOCHS, "lr": LR, "draws": DRAWS,
            "folds": len(FOLDS), "seeds": list(SEEDS), "split seeds": list(SPLIT_SEEDS),
        },
        labels=labels, pixels=pixels, resemblance=resemblance, mnist=mnist, leak=leak,
    )  # fmt: skip


if __name__ == "__main__":
    main()
