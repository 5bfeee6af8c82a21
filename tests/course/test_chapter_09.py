"""Planted wrong answers of chapter 9: each gets the message that was meant for it."""

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.course.exercises import check

# Exercise 1 ---------------------------------------------------------------------------------------


def rmse(x, filled, observed):
    return (filled - x)[~observed].square().mean().sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        rmse,
        lambda x, filled, observed: float(rmse(x, filled, observed)),
        lambda x, f, o: np.sqrt(np.mean((f.numpy() - x.numpy())[~o.numpy()] ** 2)),
        lambda x, f, o: (((f - x) * ~o).square().sum() / (~o).sum()).sqrt(),
        lambda x, f, o: rmse(x.half(), f.half(), o),
    ],
)
def test_right_scores(answer):
    assert check.ex_09_1(answer).passed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda x, f, o: (f - x).square().mean().sqrt(), "all-pixels"),
        (lambda x, f, o: (f - x)[~o].square().mean(), "no-root"),
        (lambda x, f, o: (f - x)[~o].abs().mean(), "absolute"),
        (lambda x, f, o: (f - x)[~o].norm(), "sum"),
        (
            lambda x, f, o: (((f - x).square() * ~o).sum(1) / (~o).sum(1)).sqrt().mean(),
            "per-image",
        ),
        (lambda x, f, o: (((f - x).square() * ~o).sum(1) / (~o).sum(1)).mean().sqrt(), "per-image"),
        (lambda x, f, o: (f - x).square().sum().div((~o).sum()).sqrt(), "seen-counted"),
        (lambda x, f, o: (f - x)[x != f].square().mean().sqrt(), "seen-counted"),
        (lambda x, f, o: (f - x)[o].square().mean().sqrt(), "seen"),
        (lambda x, f, o: (f - x)[~o].std(), "value"),
        (lambda x, f, o: (f - x)[~o], "type"),
        (lambda x, f, o: x[99], "raises"),
    ],
)
def test_wrong_scores(answer, kind):
    verdict = check.ex_09_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 2 ---------------------------------------------------------------------------------------


def complete(mean, covariance, x, observed, *, inverse=torch.linalg.inv, centre=1.0, base=1.0):
    s, h = observed, ~observed
    out = x.clone()
    gain = covariance[h][:, s] @ inverse(covariance[s][:, s])
    out[h] = base * mean[h] + gain @ (x[s] - centre * mean[s])
    return out


def by_precision(mean, covariance, x, observed):
    precision = torch.linalg.inv(covariance)
    h, s = ~observed, observed
    out = x.clone()
    pull = precision[h][:, s] @ (x[s] - mean[s])
    out[h] = mean[h] - torch.linalg.solve(precision[h][:, h], pull)
    return out


def by_numpy(mean, covariance, x, observed):
    m, C, v, o = (t.numpy() for t in (mean, covariance, x.clone(), observed))
    v[~o] = m[~o] + C[np.ix_(~o, o)] @ np.linalg.solve(C[np.ix_(o, o)], v[o] - m[o])
    return v


def pixel_by_pixel(mean, covariance, x, observed):
    for i in observed.nonzero()[:, 0]:
        gain = covariance[:, i] / covariance[i, i]
        mean = mean + gain * (x[i] - mean[i])
        covariance = covariance - torch.outer(gain, covariance[i])
    return torch.where(observed, x, mean)


@pytest.mark.parametrize("answer", [complete, by_precision, by_numpy, pixel_by_pixel])
def test_right_completions(answer):
    assert check.ex_09_2(answer).passed


def by_nan(mean, covariance, x, observed):
    return complete(mean, covariance, x, ~x.isnan())


def first_pixels_seen(mean, covariance, x, observed):
    return complete(mean, covariance, x, torch.arange(len(x)) < observed.sum())


def block_of_the_inverse(mean, covariance, x, observed):
    s, h = observed, ~observed
    out = x.clone()
    inverse = torch.linalg.inv(covariance)[s][:, s]
    out[h] = mean[h] + covariance[h][:, s] @ inverse @ (x[s] - mean[s])
    return out


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda m, C, x, o: torch.where(o, x, m), "mean"),
        (lambda m, C, x, o: complete(m, C, x, o, centre=0), "not-centred"),
        (lambda m, C, x, o: complete(m, C, x, o, base=0), "no-mean"),
        (lambda *a: complete(*a, inverse=lambda A: torch.eye(len(A)).double()), "no-inverse"),
        (lambda m, C, x, o: complete(m, torch.linalg.inv(C), x, o), "precision"),
        (block_of_the_inverse, "inverse-block"),
        (lambda *a: complete(*a, inverse=lambda A: A.diagonal().reciprocal().diag()), "diagonal"),
        (lambda m, C, x, o: 2 * torch.where(o, x, m) - complete(m, C, x, o), "sign"),
        (lambda m, C, x, o: torch.where(o, 0.0, complete(m, C, x, o)), "seen-changed"),
        (lambda m, C, x, o: complete(m, C, x, o) + 0.1, "seen-changed"),
        (lambda m, C, x, o: complete(m, C, x, o).clamp(0, 1), "seen-changed"),
        (by_nan, "unfilled"),
        (first_pixels_seen, "nan"),
        (lambda m, C, x, o: x * o + complete(m, C, x, o) * ~o, "nan"),
        (lambda m, C, x, o: (x * o + complete(m, C, x, o) * ~o).tolist(), "nan"),
        (lambda m, C, x, o: complete(m, C, x, o)[~o], "shape"),
        (lambda m, C, x, o: x, "nan"),
        (lambda m, C, x, o: complete(m, C, x, o) + 0.1 * ~o, "value"),
    ],
)
def test_wrong_completions(answer, kind):
    verdict = check.ex_09_2(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 3 ---------------------------------------------------------------------------------------


def log_weights(model, x, observed, z, mu, log_var, *, prior=1, q=1, everything=False):
    terms = model.likelihood.log_prob(x, model.decode(z))
    fit = terms.sum(1) if everything else terms[:, observed].sum(1)
    normal = torch.distributions.Normal
    log_q = normal(mu, (log_var / 2).exp()).log_prob(z).sum(1)
    return fit + prior * normal(0.0, 1.0).log_prob(z).sum(1) - q * log_q


def estimate(model, x, observed, z, mu, log_var, **options):
    weights = log_weights(model, x, observed, z, mu, log_var, **options).softmax(0)
    return weights @ model.likelihood.mean(model.decode(z))


def with_a_shift(model, x, observed, z, mu, log_var):
    log_w = log_weights(model, x, observed, z, mu, log_var)
    w = (log_w - log_w.max()).exp()
    return (w[:, None] * model.likelihood.mean(model.decode(z))).sum(0) / w.sum()


def without_a_shift(model, x, observed, z, mu, log_var):
    w = log_weights(model, x, observed, z, mu, log_var).exp()
    return (w / w.sum()) @ model.likelihood.mean(model.decode(z))


def seen_kept(model, x, observed, *rest):
    return torch.where(observed, x, estimate(model, x, observed, *rest))


def in_single_precision(model, x, observed, *rest):
    rest = [one.float() for one in rest]
    return estimate(model.float(), x.float(), observed, *rest).tolist()


@pytest.mark.parametrize("answer", [estimate, with_a_shift, seen_kept, in_single_precision])
def test_right_estimates(answer):
    assert check.ex_09_3(answer).passed


def test_an_answer_that_changes_the_model_spoils_no_later_one():
    def spoil(model, x, *rest):
        for parameter in model.parameters():
            parameter.zero_()
        return x

    assert not check.ex_09_3(spoil).passed
    assert check.ex_09_3(estimate).passed


def divided_by(model, x, observed, z, mu, log_var, *, divisor):
    log_w = log_weights(model, x, observed, z, mu, log_var)
    w = (log_w - divisor(log_w)).exp()
    return (w / (w.sum() + 1e-12)) @ model.likelihood.mean(model.decode(z))


def averaged_code(model, x, observed, z, mu, log_var):
    w = log_weights(model, x, observed, z, mu, log_var).softmax(0)
    return model.likelihood.mean(model.decode((w @ z)[None]))[0]


def averaged_fit(model, x, observed, z, mu, log_var):
    terms = model.likelihood.log_prob(x, model.decode(z))[:, observed]
    log_w = log_weights(model, x, observed, z, mu, log_var) - terms.sum(1) + terms.mean(1)
    return log_w.softmax(0) @ model.likelihood.mean(model.decode(z))


def first_half(model, x, observed, *rest):
    return estimate(model, x, torch.arange(64) < observed.sum(), *rest)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda m, x, o, z, mu, lv: m.likelihood.mean(m.decode(z)).mean(0), "no-weights"),
        (lambda *a: estimate(*a, everything=True), "all-pixels"),
        (lambda *a: estimate(*a, prior=0, q=0), "no-ratio"),
        (lambda *a: estimate(*a, q=0), "no-q"),
        (lambda *a: estimate(*a, prior=0), "no-prior"),
        (lambda *a: estimate(*a, prior=-1, q=-1), "inverted"),
        (lambda *a: estimate(*a[:5], 2 * a[5]), "variance"),
        (
            lambda m, x, o, z, mu, lv: m.likelihood.mean(
                m.decode(z[log_weights(m, x, o, z, mu, lv).argmax()][None])
            )[0],
            "best-only",
        ),
        (without_a_shift, "overflow"),
        (lambda *a: divided_by(*a, divisor=torch.zeros_like), "overflow"),
        (lambda *a: divided_by(*a, divisor=torch.mean), "overflow"),
        (lambda *a: divided_by(*a, divisor=torch.mean).tolist(), "overflow"),
        (averaged_code, "mean-code"),
        (averaged_fit, "mean-fit"),
        (first_half, "value"),
        (lambda m, x, o, *rest: estimate(m, x, ~o, *rest), "value"),
        (lambda *a: estimate(*a, prior=2), "value"),
        (lambda *a: estimate(*a, q=2), "value"),
        (lambda *a: seen_kept(*a[:5], 2 * a[5]), "variance"),
        (lambda *a: estimate(*a)[None], "shape"),
        (lambda *a: estimate(*a) + 0.1, "value"),
    ],
)
def test_wrong_estimates(answer, kind):
    verdict = check.ex_09_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 4 ---------------------------------------------------------------------------------------


def repair(x, y, A):
    return x + (y - x @ A.T) @ torch.linalg.inv(A @ A.T) @ A


@pytest.mark.parametrize(
    "answer",
    [
        repair,
        lambda x, y, A: x + (y - x @ A.T) @ torch.linalg.pinv(A).T,
        lambda x, y, A: (
            x.numpy() + np.linalg.lstsq(A.numpy(), (y - x @ A.T).numpy().T, rcond=None)[0].T
        ),
        lambda x, y, A: repair(x.float(), y.float(), A.float()),
    ],
)
def test_right_repairs(answer):
    assert check.ex_09_4(answer).passed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda x, y, A: x, "unchanged"),
        (lambda x, y, A: x + (y - x @ A.T) @ A, "no-inverse"),
        (lambda x, y, A: x + 4 * (y - x @ A.T) @ A, "not-fitting"),
        (lambda x, y, A: (x + repair(x, y, A)) / 2, "not-fitting"),
        (lambda x, y, A: repair(0.9 * x, y, A), "not-nearest"),
        (lambda x, y, A: repair(repair(x, y, A).clamp(0, 1), y, A), "not-nearest"),
        (lambda x, y, A: x + (y - x @ A.T) @ A / A.square().sum(1).mean(), "repeat"),
        (lambda x, y, A: y @ torch.linalg.pinv(A).T, "ignores-x"),
        (lambda x, y, A: 2 * x - repair(x, y, A), "sign"),
        (lambda x, y, A: repair(x, y, A)[:, :3], "shape"),
    ],
)
def test_wrong_repairs(answer, kind):
    verdict = check.ex_09_4(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 5 ---------------------------------------------------------------------------------------


def by_images(given, *, change=lambda made: made):
    """Two lines of regression on the pairs: no model at all."""

    def fit(x, target):
        rows = torch.cat([x, torch.ones(len(x), 1)], 1)
        return torch.linalg.solve(rows.T @ rows + 0.01 * torch.eye(65), rows.T @ target)

    maps = fit(given.ink, given.chalk), fit(given.chalk, given.ink)

    def convert(x, style):
        rows = torch.cat([x, torch.ones(len(x), 1)], 1)
        return change(torch.where(style[:, None] == 0, rows @ maps[0], rows @ maps[1]))

    return convert


def by_codes(given, *, seed=0, turn=True):
    torch.manual_seed(seed)
    model = vq.VQVAE(
        64, 128, 8, 4, condition=vq.Labels(2), likelihood=vq.Gaussian(initial_variance=0.01)
    )
    x = torch.cat([given.x, given.ink, given.chalk])
    style = torch.cat([given.style, torch.zeros(40), torch.ones(40)]).long()
    vq.fit(
        model, x, style, epochs=50, batch_size=128, lr=8e-3, schedule=vq.cosine(50), progress=False
    )
    model.eval()

    def codes(x, label):
        with torch.no_grad():
            return model.encode(x, torch.full((len(x),), label)).mu

    pair = codes(given.ink, 0), codes(given.chalk, 1)
    maps = [torch.linalg.lstsq(pair[k], pair[1 - k]).solution for k in (0, 1)]

    def convert(x, style):
        made = torch.empty_like(x)
        for k in (0, 1):
            mine = style == k
            z = codes(x[mine], k) @ (maps[k] if turn else torch.eye(8))
            with torch.no_grad():
                made[mine] = model.likelihood.mean(model.decode(z, 1 - style[mine]))
        return made

    return convert


@pytest.mark.parametrize("seed", [0, 1])
def test_codes_turned_by_forty_pairs_pass(seed):
    assert check.ex_09_5(lambda given: by_codes(given, seed=seed)).passed


def test_a_regression_on_forty_pairs_passes():
    verdict = check.ex_09_5(by_images)
    assert verdict.passed
    assert "from forty pairs" in verdict.message


def in_place(given):
    convert = by_images(given)
    for part in (given.x, given.ink, given.chalk):
        part.zero_()
    return convert


def test_an_answer_that_works_in_place_spoils_no_later_one():
    assert check.ex_09_5(in_place).passed
    assert check.ex_09_5(by_images).passed


def from_ink_only(given):
    convert = by_images(given)
    return lambda x, style: convert(x, torch.zeros_like(style))


@pytest.mark.parametrize(
    ("learn", "kind"),
    [
        (from_ink_only, "one-way"),
        (lambda given: lambda x, style: x, "unchanged"),
        (lambda given: lambda x, style: 1 - x, "inverted"),
        (
            lambda given: (
                lambda x, style: torch.where(
                    style[:, None] == 0, given.chalk.mean(0), given.ink.mean(0)
                )
            ),
            "mean",
        ),
        (lambda given: by_codes(given, turn=False), "content"),
        (lambda given: by_images(given, change=lambda made: made + 0.2), "not-enough"),
        (lambda given: torch.zeros(3), "no-function"),
        (lambda given: lambda x, style: x[:, :8], "shape"),
        (lambda given: lambda x, style: x / 0, "not-finite"),
    ],
)
def test_wrong_styles(learn, kind):
    verdict = check.ex_09_5(learn)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


@pytest.mark.parametrize("number", range(1, 6))
def test_an_empty_body_is_not_attempted(number):
    def empty(*arguments): ...

    assert getattr(check, f"ex_09_{number}")(empty).status == "unattempted"
