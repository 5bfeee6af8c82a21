"""Augmentation against models of which everything is known, and images moved by SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

import vqvae_lib as vq
from vqvae_lib.applications.augmentation import (
    latent_mixup,
    mixup,
    posterior_samples,
    sample_labelled,
    transform_images,
)
from vqvae_lib.applications.labelled import LabelledData, accuracy, few_labels, mixture
from vqvae_lib.conditions import Labels, NoCondition, Numbers

D, d, CLASSES = 5, 2, 3
VARIANCE = 0.04


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class LinearEncoder(nn.Module):
    """mu = A x (+ what the label adds), log-variances that do not depend on x."""

    def __init__(self, inputs):
        super().__init__()
        self.d = d
        self.linear = nn.Linear(inputs, d, bias=False).double()
        self.log_var = torch.tensor([-1.0, 0.5], dtype=torch.float64)

    def forward(self, rows):
        return self.linear(rows), self.log_var.expand(len(rows), d)


def linear_model(n_classes=None):
    """p(x|z, y) = N(W z + c_y, 0.04): draws given y have mean c_y and covariance W Wᵀ + 0.04 I."""
    torch.manual_seed(0)
    condition = Labels(n_classes) if n_classes else NoCondition()
    encoder, decoder = LinearEncoder(D + condition.width), nn.Linear(d + condition.width, D)
    likelihood = vq.Gaussian(VARIANCE)
    return vq.VAE(encoder, decoder.double(), likelihood.double(), condition=condition).eval()


def means_of_classes(model):
    weight, bias = model.decoder.weight.detach(), model.decoder.bias.detach()
    return weight[:, d:].T + bias, weight[:, :d]  # (CLASSES, D), (D, d)


@pytest.fixture
def labelled():
    y = torch.arange(12) % CLASSES
    return torch.randn(12, D, generator=seeded(3), dtype=torch.float64), y


# Few labels ---------------------------------------------------------------------------------------


def test_labels_are_as_many_of_each_class_and_drawn_anew_by_the_seed():
    y = vq.load_digits().y_train
    rows = few_labels(y, 7, seed=0)
    assert y[rows].bincount().tolist() == [7] * 10
    assert len(rows.unique()) == 70
    assert torch.equal(rows, few_labels(y, 7, seed=0))
    assert not torch.equal(rows, few_labels(y, 7, seed=1))
    assert set(few_labels(y, 3, seed=0).tolist()) < set(rows.tolist())


def test_each_row_is_chosen_equally_often():
    y = torch.tensor([0] * 6 + [1] * 4)
    counts = sum(few_labels(y, 2, seed=seed).bincount(minlength=10) for seed in range(3000))
    share = counts / 3000
    np.testing.assert_allclose(share[:6], 1 / 3, atol=0.04)
    np.testing.assert_allclose(share[6:], 1 / 2, atol=0.04)


def test_too_few_of_a_class_are_named():
    with pytest.raises(ValueError, match="per_class=3: expected at most 2, the rows of class 1"):
        few_labels(torch.tensor([0, 0, 0, 1, 1]), 3, seed=0)
    with pytest.raises(ValueError, match="per_class=0"):
        few_labels(torch.tensor([0, 1]), 0, seed=0)


# Changed images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (6, 10)])
@pytest.mark.parametrize(
    "most",
    [
        {"max_shift": 1.7},
        {"max_angle": 40.0},
        {"max_zoom": 0.3},
        {"max_shift": 0.6, "max_angle": 15.0, "max_zoom": 0.2},
    ],
)
def test_images_are_changed_as_scipy_changes_them(shape, most):
    H, W = shape
    x = torch.rand(3, H * W, generator=seeded(1), dtype=torch.float64)
    found = transform_images(
        x, torch.arange(3), image_shape=shape, copies=2, generator=seeded(5), **most
    )
    draw = 2 * torch.rand(6, 4, generator=seeded(5), dtype=torch.float64).numpy() - 1
    middle = np.array([(H - 1) / 2, (W - 1) / 2])
    for i, (turn, zoom, right, down) in enumerate(draw):
        a = math.radians(most.get("max_angle", 0)) * turn
        # SciPy, too, asks where a new pixel (row, column) is taken from.
        A = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
        A /= 1 + most.get("max_zoom", 0) * zoom
        moved = most.get("max_shift", 0) * np.array([down, right])
        wanted = affine_transform(
            x[i % 3].reshape(H, W).numpy(), A, middle - A @ middle - moved, order=1,
            mode="grid-constant",
        )  # fmt: skip
        np.testing.assert_allclose(found.x[i].reshape(H, W), wanted, atol=1e-9)
    assert found.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.weight.tolist() == [1] * 6


def test_a_dot_moves_right_and_down_by_what_is_drawn():
    dot = torch.zeros(1, 81)
    dot[0, 40] = 1  # the middle of 9x9
    found = transform_images(
        dot, torch.zeros(1, dtype=torch.int64), image_shape=(9, 9), copies=500, max_shift=2.0,
        generator=seeded(2),
    )  # fmt: skip
    images = found.x.reshape(500, 9, 9)
    place = torch.arange(9.0) - 4
    down, right = (images.sum(2) * place).sum(1), (images.sum(1) * place).sum(1)
    for moved in (down, right):
        assert kstest(moved.numpy(), "uniform", (-2, 4)).pvalue > 0.001


def test_nothing_changes_at_zero_and_what_does_not_fit_is_named():
    x, y = torch.rand(4, 64), torch.arange(4)
    same = transform_images(x, y, image_shape=(8, 8), generator=seeded())
    torch.testing.assert_close(same.x, x)
    for changes, said in (
        ({"image_shape": (8, 7)}, r"x has shape \(4, 64\): expected \(N, 56\)"),
        ({"max_shift": -1.0}, "max_shift=-1.0: expected a finite number at least 0"),
        ({"max_zoom": 1.0}, "max_zoom=1.0: expected a finite number at least 0 and below 1"),
        ({"max_angle": math.nan}, "max_angle=nan"),
        ({"copies": 0}, "copies=0"),
    ):
        with pytest.raises(ValueError, match=said):
            transform_images(x, y, **({"image_shape": (8, 8), "generator": seeded()} | changes))
    with pytest.raises(ValueError, match=r"x has shape \(4, 64\) and y \(3,\)"):
        transform_images(x, y[:3], image_shape=(8, 8), generator=seeded())


# Drawn images -------------------------------------------------------------------------------------


def test_draws_of_each_class_have_the_model_s_mean_and_covariance():
    model = linear_model(CLASSES)
    means, W = means_of_classes(model)
    for noise in (False, True):
        found = sample_labelled(model, 20_000, pixel_noise=noise, generator=seeded())
        assert found.y.bincount().tolist() == [20_000] * CLASSES
        wanted = W @ W.T + (VARIANCE if noise else 0) * torch.eye(D)
        for label in range(CLASSES):
            x = found.x[found.y == label]
            spread = (wanted.diagonal() / 20_000).sqrt()
            assert ((x.mean(0) - means[label]).abs() < 4.5 * spread + 1e-12).all()
            torch.testing.assert_close(torch.cov(x.T), wanted, atol=0.03, rtol=0)


def test_a_model_without_labels_has_no_labelled_draws():
    with pytest.raises(ValueError, match="its samples carry no label"):
        sample_labelled(linear_model(), 3, generator=seeded())


@pytest.mark.parametrize("n_classes", [None, CLASSES])
@pytest.mark.parametrize("spread", [0.0, 1.0, 2.0])
def test_posterior_draws_scatter_as_q_does(labelled, n_classes, spread):
    model = linear_model(n_classes)
    x, y = labelled
    found = posterior_samples(model, x, y, copies=5000, spread=spread, generator=seeded())
    assert torch.equal(found.y, y.repeat(5000))
    draws = found.x.reshape(5000, 12, D)
    rows = x if n_classes is None else torch.cat([x, torch.eye(CLASSES)[y].double()], 1)
    mu = rows @ model.encoder.linear.weight.detach().T
    parts = mu if n_classes is None else torch.cat([mu, torch.eye(CLASSES)[y].double()], 1)
    center = parts @ model.decoder.weight.detach().T + model.decoder.bias.detach()
    W = model.decoder.weight.detach()[:, :d]
    wanted = spread**2 * W @ torch.diag(model.encoder.log_var.exp()) @ W.T
    error = 4.5 * (wanted.diagonal() / 5000).sqrt() + 1e-9
    assert ((draws.mean(0) - center).abs() < error).all()
    torch.testing.assert_close(
        torch.cov(draws[:, 0].T), wanted, atol=0.05 * spread**2 + 1e-12, rtol=0
    )


def test_posterior_draws_refuse_a_negative_spread(labelled):
    with pytest.raises(ValueError, match=r"spread=-1.0"):
        posterior_samples(linear_model(), *labelled, spread=-1.0, generator=seeded())


# Mixed images -------------------------------------------------------------------------------------


def test_two_codes_are_mixed_and_their_labels_with_the_same_share():
    model = linear_model()
    x, y = torch.randn(2, D, generator=seeded(), dtype=torch.float64), torch.tensor([0, 1])
    found = latent_mixup(model, x, y, count=50, within_class=False, generator=seeded(1))
    first, second = (LabelledData(*(part[rows] for part in found)) for rows in
                     (slice(50), slice(50, None)))  # fmt: skip
    assert torch.equal(first.x, second.x)
    torch.testing.assert_close(first.weight + second.weight, torch.ones(50).double())
    ends = model.reconstruct(x).detach()  # linear: a mixture of codes gives a mixture of these
    wanted = first.weight[:, None] * ends[first.y] + second.weight[:, None] * ends[second.y]
    torch.testing.assert_close(first.x, wanted)


def test_the_midpoint_of_two_codes_is_decoded():
    """A large alpha makes λ nearly ½, and an image is never mixed with itself."""
    model = linear_model()
    x, y = torch.randn(2, D, generator=seeded(), dtype=torch.float64), torch.tensor([4, 4])
    found = latent_mixup(model, x, y, count=30, alpha=1e9, generator=seeded(1))
    middle = model.reconstruct(x).detach().mean(0)
    assert ((found.x - middle).norm(dim=1) < 1e-3).all()
    assert (found.y == 4).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_beta_distributed(alpha):
    x, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([0, 0])
    found = mixup(x, y, count=4000, alpha=alpha, within_class=True, generator=seeded())
    # Between the two images x is λ or 1 - λ, which have the same distribution.
    assert kstest(found.x[:, 0].numpy(), "beta", (alpha, alpha)).pvalue > 0.001


@pytest.mark.parametrize("within_class", [True, False])
def test_every_pair_of_different_images_is_as_likely(within_class):
    """Images as one-hot rows: which two were mixed shows in the result."""
    y = torch.tensor([0, 1, 0, 2, 0, 1, 2, 0])
    count = 40_000
    found = mixup(
        torch.eye(8).double(), y, count=count, within_class=within_class, generator=seeded()
    )
    mixtures = found.x[:count]
    assert ((mixtures > 0).sum(1) == 2).all()  # two images, never one twice
    pairs = (mixtures > 0).double().T @ (mixtures > 0).double()  # how often i was mixed with j
    share = (pairs / count).triu(1)
    if within_class:  # first any image, then any other of its class
        sizes = y.bincount()[y]
        wanted = 2 / 8 * (y[:, None] == y) / (sizes - 1)
    else:
        wanted = torch.full((8, 8), 2 / (8 * 7))
    wanted = wanted.double().triu(1)
    error = (wanted * (1 - wanted) / count).sqrt()
    assert ((share - wanted).abs() <= 4 * error).all()


def test_an_image_alone_in_its_class_has_no_partner():
    x, y = torch.rand(3, 4), torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match="a class with a single image"):
        mixup(x, y, count=2, within_class=True, generator=seeded())
    assert len(mixup(x, y, count=2, generator=seeded()).x) == 4


def test_partners_are_of_the_class_where_they_should_be(labelled):
    _x, y = labelled
    one_hot = torch.eye(CLASSES).double()[y]  # as images: what a mixture is made of shows in it
    within = mixup(one_hot, y, count=300, within_class=True, generator=seeded())
    torch.testing.assert_close(within.x, torch.eye(CLASSES).double()[within.y])
    between = mixup(one_hot, y, count=300, generator=seeded())
    own = between.x[torch.arange(600), between.y]
    torch.testing.assert_close(own.reshape(2, 300).amax(0), between.x[:300].amax(1))
    weights = torch.zeros(300, CLASSES).double()
    for half in (slice(300), slice(300, None)):
        weights[torch.arange(300), between.y[half]] += between.weight[half]
    torch.testing.assert_close(weights, between.x[:300])


def test_a_conditional_model_mixes_within_a_class_only(labelled):
    model = linear_model(CLASSES)
    with pytest.raises(ValueError, match="within_class=False with a conditional model"):
        latent_mixup(model, *labelled, count=3, within_class=False, generator=seeded())
    found = latent_mixup(model, *labelled, count=7, generator=seeded())
    assert found.x.shape == (7, D)
    with pytest.raises(ValueError, match=r"alpha=0\.0"):
        latent_mixup(model, *labelled, count=7, alpha=0.0, generator=seeded())
    with pytest.raises(ValueError, match="count=0"):
        latent_mixup(model, *labelled, count=0, generator=seeded())


@pytest.mark.parametrize("bottleneck", ["quantum", "none"])
def test_the_course_s_models_are_taken(bottleneck):
    torch.manual_seed(0)
    data = vq.load_digits()
    x, y = data.x_train[:20], data.y_train[:20]
    plain = vq.VQVAE(64, 16, 4, 2, bottleneck=bottleneck).eval()
    conditional = vq.VQVAE(64, 16, 4, 2, bottleneck=bottleneck, condition=Labels(10)).eval()
    for found, rows in (
        (sample_labelled(conditional, 3, generator=seeded()), 30),
        (posterior_samples(conditional, x, y, copies=2, generator=seeded()), 40),
        (posterior_samples(plain, x, y, copies=2, generator=seeded()), 40),
        (latent_mixup(plain, x, y, count=9, within_class=False, generator=seeded()), 18),
    ):
        assert found.x.shape == (rows, 64)
        assert found.y.shape == found.weight.shape == (rows,)
        assert not found.x.requires_grad


# Mixtures and scores ------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [0.0, 0.3, 1.0])
def test_a_mixture_has_the_mixed_risk(labelled, w):
    x, y = labelled
    real = LabelledData.of(x, y)
    made = LabelledData(torch.randn(40, D).double(), torch.arange(40) % 2, torch.rand(40).double())
    both = mixture(real, made, w)
    loss = lambda part: (part.x.sum(1) - part.y).square()  # noqa: E731
    mean = lambda part: (part.weight * loss(part)).sum() / part.weight.sum()  # noqa: E731
    torch.testing.assert_close(mean(both), (1 - w) * mean(real) + w * mean(made))
    assert float(both.weight.sum()) == pytest.approx(12)
    assert len(both.x) == {0.0: 12, 0.3: 52, 1.0: 40}[w]


def test_a_share_out_of_range_is_named(labelled):
    real = LabelledData.of(*labelled)
    with pytest.raises(ValueError, match=r"w=1.5: expected a finite number"):
        mixture(real, real, 1.5)


def test_accuracy_is_scikit_learn_s_and_the_classifier_stays_unfitted():
    data = vq.load_digits()
    rows = few_labels(data.y_train, 5, seed=0)
    train = LabelledData(data.x_train[rows], data.y_train[rows], torch.rand(50, generator=seeded()))
    classifier = LogisticRegression(max_iter=500)
    found = accuracy(classifier, train, data.x_test, data.y_test)
    own = LogisticRegression(max_iter=500).fit(
        train.x.numpy(), train.y.numpy(), train.weight.numpy()
    )
    assert found == (own.predict(data.x_test.numpy()) == data.y_test.numpy()).mean()
    assert not hasattr(classifier, "classes_")
    unweighted = accuracy(classifier, LabelledData.of(*train[:2]), data.x_test, data.y_test)
    assert unweighted != found


def test_models_are_used_in_evaluation_mode_and_given_back(labelled):
    """In training mode dropout would draw from elsewhere, and batch norm would learn."""
    torch.manual_seed(0)
    model = vq.mlp_vae(D, 8, 2, vq.Gaussian(), condition=Labels(CLASSES)).double()
    model.encoder.trunk = nn.Sequential(
        model.encoder.trunk, nn.BatchNorm1d(8).double(), nn.Dropout()
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, y = labelled
    for make in (
        lambda g: posterior_samples(model, x, y, spread=0.5, generator=g),
        lambda g: latent_mixup(model, x, y, count=20, generator=g),
        lambda g: sample_labelled(model, 5, generator=g),
    ):
        assert torch.equal(make(seeded()).x, make(seeded()).x)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_model_that_is_conditioned_on_numbers_is_refused(labelled):
    model = vq.mlp_vae(D, 8, 2, vq.Gaussian(), condition=Numbers(2)).double()
    with pytest.raises(ValueError, match=r"model has the condition Numbers\(dim=2\)"):
        posterior_samples(model, *labelled, generator=seeded())


# ---------------------------------------------------------------- shapes and kinds


def test_labels_of_any_whole_number_choose_the_same_rows():
    y = torch.arange(12) % 3
    expected = few_labels(y, 2, seed=0)
    for other in (y.numpy(), y.int(), y.byte(), y.numpy()[::-1].copy()[::-1]):
        assert torch.equal(few_labels(other, 2, seed=0), expected)


def test_labelled_data_of_arrays_are_tensors():
    x, y = np.arange(12.0).reshape(3, 4), np.array([2, 0, 1], dtype=np.int32)
    found = LabelledData.of(x, y)
    assert torch.equal(found.x, torch.arange(12.0).double().reshape(3, 4))
    assert torch.equal(found.y, torch.tensor([2, 0, 1]))
    assert torch.equal(found.weight, torch.ones(3).double())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LabelledData.of(torch.zeros(4, 2), torch.zeros(4, 1).long()), r"y has .*\(4, 1\)"),
        (lambda: few_labels(torch.zeros(4, 1).long(), 1, seed=0), r"y has shape \(4, 1\)"),
        (lambda: few_labels(torch.zeros(0).long(), 1, seed=0), r"y has shape \(0,\): .* 1 rows"),
        (lambda: few_labels(torch.zeros(4).long(), 1, seed=None), "seed=None: expected a whole"),
        (lambda: mixture(rows(3, 4), rows(3, 5), 0.5), "rows of 5 numbers and real of 4"),
        (
            lambda: mixture(rows(3, 4)._replace(weight=torch.ones(3, 1)), rows(3, 4), 0.5),
            r"real: weight has shape \(3, 1\)",
        ),
        (
            lambda: mixture(rows(3, 4), rows(3, 4)._replace(weight=torch.ones(2)), 0.5),
            r"generated: weight has shape \(2,\) and x \(3, 4\)",
        ),
        (
            lambda: mixture(rows(3, 4), rows(3, 4)._replace(weight=torch.zeros(3)), 0.5),
            r"generated: weight\[0\] is 0 \(and 2 more\): expected numbers above 0",
        ),
        (
            lambda: mixture(rows(3, 4)._replace(y=torch.zeros(3)), rows(3, 4), 0.5),
            "real: y has dtype torch.float32",
        ),
        (lambda: mixture((1, 2, 3), rows(3, 4), 0.5), "real is a tuple: expected LabelledData"),
        (
            lambda: accuracy(LogisticRegression(), rows(3, 4), torch.zeros(2, 5), torch.arange(2)),
            r"x has shape \(2, 5\): expected rows of 4 numbers",
        ),
        (
            lambda: accuracy(
                KNeighborsClassifier(1), rows(3, 4), torch.zeros(2, 4), torch.arange(2)
            ),
            "classifier is a KNeighborsClassifier, whose fit takes no sample_weight",
        ),
        (
            lambda: accuracy(LogisticRegression, rows(3, 4), torch.zeros(2, 4), torch.arange(2)),
            "classifier is the class LogisticRegression: expected one of scikit-learn's",
        ),
        (
            lambda: mixup(torch.rand(4, 8), torch.zeros(4).long(), count=10**9, generator=None),
            "count=1000000000: expected a whole number from 1 to 268435455",
        ),
        (
            lambda: latent_mixup(
                vq.mlp_vae(8, 4, 2, vq.Gaussian()),
                torch.rand(4, 8),
                torch.zeros(4).long(),
                count=10**9,
                generator=torch.Generator(),
            ),
            "count=1000000000: expected a whole number from 1 to 268435455",
        ),
        (
            lambda: LabelledData.of(torch.full((2, 3), torch.nan), torch.zeros(2).long()),
            r"x\[0, 0\] is nan",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def rows(N, D):
    return LabelledData.of(torch.rand(N, D), torch.arange(N))


def test_changes_that_no_machine_could_hold_or_of_colour_are_refused():
    x, y = torch.zeros(2, 16), torch.arange(2)
    with pytest.raises(ValueError, match="copies=100000000: expected a whole number from 1 to 671"):
        transform_images(x, y, image_shape=(4, 4), copies=10**8, generator=seeded())
    with pytest.raises(ValueError, match=r"image_shape=\(3, 4, 4\): .* take one colour"):
        transform_images(x, y, image_shape=(3, 4, 4), generator=seeded())


def test_codes_that_are_not_finite_are_named():
    model, y = vq.mlp_vae(4, 8, 2, vq.Gaussian()), torch.zeros(3).long()
    x = torch.full((3, 4), 1e38)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(100)  # whatever the machine, the codes overflow
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="codes of x"):
        latent_mixup(model, x * 3, y, count=2, generator=generator)
    with pytest.raises(ValueError, match="codes of x"):
        posterior_samples(model, x * 3, y, generator=generator)
