"""Planted wrong answers of chapter 11: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import fisher_exact, ks_2samp, mannwhitneyu, ttest_ind
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

import vqvae_lib as vq
from vqvae_lib.applications.augmentation import mixup, transform_images
from vqvae_lib.applications.memorisation import copying_test, membership_test
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.digits import every_digit

DATA = vq.load_digits()

# Exercise 1 ---------------------------------------------------------------------------------------


def best(n, sigma, b, N, m, *, bias=lambda b: b**2, fit=1, draws=1, real=lambda s, n: s**2 / n):
    A = real(sigma, n)
    return A / (A + bias(b) + fit * sigma**2 / N + draws * sigma**2 / m)


def searched(n, sigma, b, N, m):
    w = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    error = (1 - w) ** 2 * sigma**2 / n + w**2 * (b**2 + sigma**2 / N + sigma**2 / m)
    return w[error.argmin()]


@pytest.mark.parametrize("answer", [best, searched, lambda *c: np.float32(best(*c))])
def test_right_weights(answer):
    verdict = check.ex_11_1(answer)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *c: 1 - best(*c), "real"),
        (lambda n, s, b, N, m: m / (n + m), "appended"),
        (lambda *c: best(*c, bias=abs), "bias"),
        (lambda *c: best(*c, bias=lambda b: b), "bias"),
        (lambda *c: best(*c, bias=lambda b: b * abs(b)), "bias"),
        (lambda *c: best(*c, fit=0, draws=0), "no-variance"),
        (lambda *c: min(1, 2 * best(*c)), "most"),
        (lambda *c: best(*c, bias=lambda b: 0), "no-bias"),
        (lambda *c: best(*c, draws=0), "no-draws"),
        (lambda *c: best(*c, fit=0), "no-fit"),
        (lambda *c: best(*c, real=lambda s, n: s**2), "one-datum"),
        (lambda n, s, b, N, m: s / n / (s / n + b**2 + s / N + s / m), "sigma"),
        (lambda *c: 0.123, "value"),
        (lambda *c: 0.5, "value"),
        (lambda *c: best(*c) / (1 - best(*c)), "value"),
        (lambda *c: "half", "type"),
        (lambda *c: math.nan, "not-finite"),
        (lambda n, sigma: 1, "raises"),
    ],
)
def test_wrong_weights(answer, kind):
    verdict = check.ex_11_1(answer)
    assert verdict.kind == kind, verdict


# Exercise 2 ---------------------------------------------------------------------------------------


def mixed(model, x, y, partner, lam, *, turned=False, hard=False, image=None, own=False):
    share = (1 - lam if turned else lam)[:, None]
    mu = model.encode(x).mu
    pictures = model.likelihood.mean(model.decode(share * mu + (1 - share) * mu[partner]))
    one_hot = torch.nn.functional.one_hot(y, 10).float()
    labels = lam[:, None] * one_hot + (1 - lam[:, None]) * one_hot[partner]
    if hard:
        labels = torch.nn.functional.one_hot(labels.argmax(1), 10).float()
    if own:
        labels = one_hot
    return pictures if image is None else image(model, x, partner, share, mu), labels


def image(function):
    return lambda *given: mixed(*given, image=function)


def loop(model, x, y, partner, lam):
    """One image after the other, in lists."""
    pictures, labels = [], []
    with torch.no_grad():
        for i, j in enumerate(partner.tolist()):
            w = float(lam[i])
            z = w * model.encode(x[i : i + 1]).mu + (1 - w) * model.encode(x[j : j + 1]).mu
            pictures.append(model.likelihood.mean(model.decode(z))[0].tolist())
            row = [0.0] * 10
            row[y[i]] += w
            row[y[j]] += 1 - w
            labels.append(row)
    return pictures, labels


def by_class(model, x, y, partner, lam):
    """Labels class after class; everything in NumPy, in double precision."""
    shares = [lam * (y == c) + (1 - lam) * (y[partner] == c) for c in range(10)]
    return [mixed(model, x, y, partner, lam)[0].detach().double().numpy(), np.array(shares).T]


@pytest.mark.parametrize("answer", [mixed, loop, by_class])
def test_right_mixtures(answer):
    verdict = check.ex_11_2(answer)
    assert verdict.passed, verdict


def drawn_codes(model, x, partner, share, mu):
    z = mu + torch.randn_like(mu) * (model.encode(x).log_var / 2).exp()
    return model.likelihood.mean(model.decode(share * z + (1 - share) * z[partner]))


def drawn_pictures(model, x, partner, share, mu):
    return model.likelihood.sample(model.decode(share * mu + (1 - share) * mu[partner]))


def overwritten(model, x, y, partner, lam, *, own_last=False):
    labels, rows = torch.zeros(len(x), 10), torch.arange(len(x))
    ends = [(y, lam), (y[partner], 1 - lam)]
    for names, shares in reversed(ends) if own_last else ends:
        labels[rows, names] = shares
    return mixed(model, x, y, partner, lam)[0], labels


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (image(drawn_codes), "drawn"),
        (image(drawn_pictures), "drawn"),
        (
            image(lambda m, x, p, s, mu: m.reconstruct(s * x + (1 - s) * x[p])),
            "encoded-late",
        ),
        (
            image(lambda m, x, p, s, mu: m.decode(s * mu + (1 - s) * mu[p]).sigmoid()),
            "sigmoid",
        ),
        (lambda m, x, y, p, lam: mixed(m, x, y, p, lam.minimum(1 - lam)), "folded"),
        (lambda m, x, y, p, lam: mixed(m, x, y, p, lam.maximum(1 - lam)), "folded"),
        (overwritten, "labels-lost"),
        (lambda *g: overwritten(*g, own_last=True), "labels-lost"),
        (lambda m, x, y, p, lam: (mixed(m, x, y, p, lam)[0], y.numpy()), "labels-whole"),
        (image(lambda m, x, p, s, mu: s * x + (1 - s) * x[p]), "pixels"),
        (
            image(lambda m, x, p, s, mu: s * m.reconstruct(x) + (1 - s) * m.reconstruct(x)[p]),
            "ends",
        ),
        (lambda *g: mixed(*g, turned=True), "turned"),
        (image(lambda m, x, p, s, mu: m.decode(s * mu + (1 - s) * mu[p])), "logits"),
        (image(lambda m, x, p, s, mu: m.decoder(s * mu + (1 - s) * mu[p]).sigmoid()), "no-circuit"),
        (image(lambda m, x, p, s, mu: m.reconstruct(x)), "no-mix"),
        (image(lambda m, x, p, s, mu: torch.full((12, 64), 0.5)), "value"),
        (image(lambda m, x, p, s, mu: x[:, :32]), "shape"),
        (lambda *g: mixed(*g, hard=True), "labels-hard"),
        (lambda *g: mixed(*g, own=True), "labels-own"),
        (lambda m, x, y, p, lam: (mixed(m, x, y, p, lam)[0], y), "labels-whole"),
        (
            lambda m, x, y, p, lam: (
                mixed(m, x, y, p, lam)[0],
                mixed(m, x, y, p, 1 - lam)[1],
            ),
            "labels-turned",
        ),
        (
            lambda m, x, y, p, lam: (
                mixed(m, x, y, p, lam)[0],
                mixed(m, x, y, p, 0.5 + 0 * lam)[1],
            ),
            "labels-half",
        ),
        (lambda *g: mixed(*g)[0], "pair"),
        (lambda *g: 1 / 0, "raises"),
    ],
)
def test_wrong_mixtures(answer, kind):
    verdict = check.ex_11_2(answer)
    assert verdict.kind == kind, verdict


def test_the_check_of_mixtures_leaves_torch_s_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check.ex_11_2(mixed)
    assert torch.equal(torch.rand(1), expected)


# Exercise 3 ---------------------------------------------------------------------------------------


def moved(x, y, generator, *, size=1.0, copies=10):
    return transform_images(
        x, y, image_shape=(8, 8), copies=copies, max_shift=0.5 * size, max_angle=10 * size,
        max_zoom=min(0.1 * size, 0.9), generator=generator,
    )[:2]  # fmt: skip


def rolled(x, y, generator):
    """Whole pixels, what leaves on one side comes back on the other."""
    images = x.reshape(-1, 8, 8)
    both = [images.roll(by, dims=axis) for by in (-1, 1) for axis in (1, 2)]
    return torch.cat(both).flatten(1), y.repeat(4)


def shifted(x, y, generator):
    """Half a pixel, in four directions; nothing is drawn."""
    return (rolled(x, y, generator)[0] + x.repeat(4, 1)) / 2, y.repeat(4)


def in_numpy(x, y, generator):
    images, labels = moved(x, y, generator)
    return images.numpy(), labels.numpy()


@pytest.mark.parametrize("answer", [moved, shifted, rolled, in_numpy])
def test_right_augmentations(answer):
    verdict = check.ex_11_3(answer)
    assert verdict.passed, verdict


def grainy(x, y, generator):
    noise = 0.02 * torch.randn(300, 64, generator=generator)
    return x.repeat(3, 1) + noise, y.repeat(3)


def foreign(x, y, generator):
    return DATA.x_train[:500], DATA.y_train[:500]


def wrong_order(x, y, generator):
    images, labels = moved(x, y, generator)
    return images, y.repeat_interleave(len(labels) // len(y))


def turned_about(x, y, generator):
    """Half a turn: nines for sixes."""
    return x.flip(1).repeat(2, 1) + 0.01 * torch.rand(200, 64, generator=generator), y.repeat(2)


def noisy_foreign(x, y, generator):
    """Digits that were not given, hidden under noise."""
    noise = 0.05 * torch.randn(DATA.x_train.shape, generator=generator)
    return DATA.x_train + noise, DATA.y_train


def half_foreign(x, y, generator):
    ours, theirs = moved(x, y, generator), moved(DATA.x_train, DATA.y_train, generator, copies=1)
    return tuple(torch.cat(pair) for pair in zip(ours, theirs, strict=True))


def framed(x, y, generator):
    """Moved, and the outermost pixels set to 0."""
    images, labels = moved(x, y, generator)
    inside = images.reshape(-1, 8, 8)[:, 1:-1, 1:-1]
    return torch.nn.functional.pad(inside, [1] * 4).flatten(1), labels


def mixed_classes(x, y, generator):
    return mixup(x, y, count=2000, generator=generator)[:2]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (grainy, "no-gain"),
        (lambda x, y, g: (x, y), "copies"),
        (foreign, "leak"),
        (lambda x, y, g: (DATA.x_valid, DATA.y_valid), "leak"),
        (noisy_foreign, "leak"),
        (half_foreign, "leak"),
        (framed, "border"),
        (lambda x, y, g: (moved(x, y, g)[0], moved(x, y, g)[1] + 0.5), "classes"),
        (lambda x, y, g: (moved(x, y, g)[0], moved(x, y, g)[1] + 1), "classes"),
        (lambda x, y, g: (x.reshape(-1, 8, 8).flip(2).flatten(1), y), "labels"),
        (wrong_order, "labels"),
        (lambda x, y, g: moved(x, y, torch.Generator().manual_seed(g.seed())), "generator-unused"),
        (lambda x, y, g: moved(x, y, torch.default_generator), "generator-unused"),
        (lambda x, y, g: moved(x, y, g, size=8.0), "harm-or-labels"),
        (turned_about, "labels-or-harm"),
        (mixed_classes, "harm-or-labels"),
        (lambda x, y, g: (16 * moved(x, y, g)[0], moved(x, y, g)[1]), "range"),
        (lambda x, y, g: moved(x, y, g)[0], "pair"),
        (lambda x, y, g: (moved(x, y, g)[0].reshape(-1, 8, 8), y), "shape"),
        (lambda x, y, g: (moved(x, y, g)[0], y), "shape"),
        (lambda x, y, g: moved(x, y, g, copies=101), "count"),
        (lambda x, y, g: x @ x, "raises"),
    ],
)
def test_wrong_augmentations(answer, kind):
    verdict = check.ex_11_3(answer)
    assert verdict.kind in kind.split("-or-"), verdict


# Exercise 4 ---------------------------------------------------------------------------------------


def nearest(a, b):
    return cdist(a.numpy(), b.numpy()).min(1)


def own(generated, suspected, clean):
    a, b = nearest(suspected, generated), nearest(clean, generated)
    return mannwhitneyu(a, b, alternative="less").pvalue


def permuted(generated, suspected, clean):
    """Random splits of the distances, and the median as the statistic."""
    both = np.concatenate([nearest(suspected, generated), nearest(clean, generated)])
    rng, n = np.random.default_rng(0), len(suspected)
    gaps = []
    for trial in range(400):
        order = np.arange(len(both)) if trial == 0 else rng.permutation(len(both))
        gaps.append(np.median(both[order[n:]]) - np.median(both[order[:n]]))
    return np.mean(np.array(gaps) >= gaps[0])


def one_sided_ks(generated, suspected, clean):
    a, b = nearest(suspected, generated), nearest(clean, generated)
    return torch.tensor(ks_2samp(a, b, alternative="greater").pvalue)


def by_counts(generated, suspected, clean):
    """How many of either kind are nearer than the median, by Fisher's exact test."""
    a, b = nearest(suspected, generated), nearest(clean, generated)
    near = np.median(np.concatenate([a, b]))
    table = [[(a <= near).sum(), (a > near).sum()], [(b <= near).sum(), (b > near).sum()]]
    return fisher_exact(table, alternative="greater").pvalue


def by_distances(generated, suspected, clean):
    a, b = nearest(suspected, generated), nearest(clean, generated)
    return ttest_ind(a, b, equal_var=False, alternative="less").pvalue


@pytest.mark.parametrize(
    "answer",
    [
        own, permuted, one_sided_ks, by_counts, by_distances,
        lambda g, s, c: membership_test(g, s, c).p_value,
    ],
)  # fmt: skip
def test_right_tests_of_leaks(answer):
    verdict = check.ex_11_4(answer)
    assert verdict.passed, verdict


def from_generated(generated, suspected, clean):
    a, b = nearest(generated, suspected), nearest(generated, clean)
    return mannwhitneyu(a, b, alternative="less").pvalue


def by_means(generated, suspected, clean):
    """Distances to the middle of all that was generated."""
    middle = generated.mean(0, keepdim=True)
    a, b = nearest(suspected, middle), nearest(clean, middle)
    return mannwhitneyu(a, b, alternative="less").pvalue


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda g, s, c: own(g, c, s), "reversed"),
        (from_generated, "alarms"),
        (lambda g, s, c: copying_test(g, s, c).p_value, "alarms"),
        (lambda g, s, c: float(own(g, s, c) < 0.5) * 0.01, "alarms"),
        (lambda g, s, c: own(g, s, c) < 0.05, "yes-no"),
        (lambda g, s, c: own(g, s, c) / 2, "uneven"),
        (lambda g, s, c: min(1.0, 10 * own(g, s, c)), "uneven"),
        (lambda g, s, c: 1 - membership_test(g, s, c).closer, "uneven"),
        (by_means, "missed"),
        (lambda g, s, c: 0.01, "constant"),
        (lambda g, s, c: membership_test(g, s, c).closer * 100, "range"),
        (lambda g, s, c: nearest(s, g), "type"),
        (lambda g, s, c: g @ s, "raises"),
    ],
)
def test_wrong_tests_of_leaks(answer, kind):
    verdict = check.ex_11_4(answer)
    assert verdict.kind == kind, verdict


# Exercise 5 ---------------------------------------------------------------------------------------


def spreading(x, y, others, new):
    known = np.r_[y.numpy(), np.full(len(others), -1)]
    model = LabelSpreading(kernel="knn", n_neighbors=7, alpha=0.2, max_iter=100)
    return model.fit(torch.cat([x, others]).numpy(), known).predict(new.numpy())


def moved_machine(x, y, others, new):
    made = moved(x, y, torch.Generator().manual_seed(0), copies=20)
    both = torch.cat([x, made[0]]), torch.cat([y, made[1]])
    return torch.from_numpy(SVC(C=10, gamma=0.11).fit(*both).predict(new))


@pytest.mark.parametrize("answer", [spreading, moved_machine])
def test_right_ways_with_few_labels(answer):
    verdict = check.ex_11_5(answer)
    assert verdict.passed, verdict


def looked_up(x, y, others, new):
    every, labels = every_digit()
    return labels[torch.cdist(new, every).argmin(1)]


def all_but_the_new(x, y, others, new):
    """The labels of the unlabelled looked up, those of the new ones learnt."""
    both = torch.cat([x, others]), torch.cat([y, looked_up(x, y, others, others)])
    return SVC(C=10, gamma=0.11).fit(*both).predict(new)


def test_a_slow_answer_is_judged_by_fewer_choices(monkeypatch):
    calls = []

    def counted(*given):
        calls.append(given)
        return spreading(*given)

    assert "over six choices" in check.ex_11_5(counted).message
    monkeypatch.setattr("vqvae_lib.course.exercises.chapter_11.exercise_5.PATIENCE", 0.0)
    assert "over three choices" in check.ex_11_5(counted).message
    assert len(calls) == 9


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda x, y, o, n: SVC(C=10, gamma=0.11).fit(x, y).predict(n), "no-gain"),
        (lambda x, y, o, n: KNeighborsClassifier(1).fit(x, y).predict(n), "no-gain"),
        (looked_up, "leak"),
        (all_but_the_new, "leak"),
        (lambda x, y, o, n: spreading(x, y, o, n) + 0.5, "classes"),
        (lambda x, y, o, n: spreading(x, y, o, n) - 1, "classes"),
        (lambda x, y, o, n: torch.zeros(len(n)), "guessing"),
        (lambda x, y, o, n: spreading(x, y, o, n)[::-1], "guessing"),
        (lambda x, y, o, n: spreading(x, y, o, o), "shape"),
        (lambda x, y, o, n: "seven", "type"),
        (lambda x, y, o, n: 1 / 0, "raises"),
    ],
)
def test_wrong_ways_with_few_labels(answer, kind):
    verdict = check.ex_11_5(answer)
    assert verdict.kind == kind, verdict


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_not_attempted(number):
    run = getattr(check, f"ex_11_{number}")
    assert run(...).status == "unattempted"
    assert run(lambda *a: ...).status == "unattempted"
