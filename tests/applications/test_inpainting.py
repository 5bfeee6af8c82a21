"""Inpainting against the exact conditional of a linear model, and scores against their meaning."""

import copy

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.stats import kstest

import vqvae_lib as vq
from tests.applications.linear import LATENT, D, generator, linear_model
from vqvae_lib.applications.holes import energy_score, hidden_rmse, neighbour_fills
from vqvae_lib.applications.inpainting import inpaint
from vqvae_lib.applications.super_resolution import super_resolve
from vqvae_lib.conditions import Labels

SEEN = torch.tensor([1, 1, 0, 0, 1, 0]).bool()
METHODS = ("langevin", "metropolis", "importance")


@pytest.fixture
def images():
    return torch.randn(3, D, generator=generator(3)).double()


@pytest.mark.parametrize("method", METHODS)
def test_draws_have_the_exact_mean_and_covariance(method, images):
    model, full = linear_model()
    given = full.inpaint(images, SEEN)
    mean, covariance = given.mean, given.covariance
    found = inpaint(
        model, images, SEEN, method=method, draws=4000, steps=100, generator=generator()
    )
    assert found.draws.shape == (4000, 3, D)
    assert found.z.shape == (4000, 3, LATENT)
    deviation = covariance.diagonal().sqrt()[~SEEN]
    # 4000 draws: a standard error of 1.6 % of a standard deviation; importance weights cost more.
    assert ((found.draws.mean(0) - mean)[:, ~SEEN].abs() < 0.06 * deviation).all()
    for image in range(3):
        drawn = torch.cov(found.draws[:, image, ~SEEN].T)
        assert (drawn - covariance[~SEEN][:, ~SEEN]).abs().max() < 0.15


def test_the_mean_of_each_code_leaves_the_noise_out(images):
    model, full = linear_model()
    found = inpaint(model, images, SEEN, draws=4000, steps=100, generator=generator())
    given = full.inpaint(images, SEEN)
    mean, covariance = given.mean, given.covariance
    assert ((found.means.mean(0) - mean)[:, ~SEEN].abs() < 0.1).all()
    variance = found.means.var(0)[:, ~SEEN]  # what is left is the code's
    wanted = covariance.diagonal()[~SEEN] - 0.3
    assert torch.allclose(variance, wanted.expand_as(variance), atol=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_codes_on_two_humps_follow_their_density(method):
    """A decoder that folds the code: p(z | seen) has two humps, and is integrated on a grid."""

    class Fold(torch.nn.Module):
        def forward(self, z):
            return torch.cat([z.square() + 0.3 * z, z], dim=1)

    class Guess(torch.nn.Module):  # follows the hidden pixel, and is never right
        d = 1

        def forward(self, x):
            mu = 0.5 * x[:, 1:] + 0.2
            return mu, torch.full_like(mu, -1.0)

    model = vq.VAE(Guess(), Fold(), vq.Gaussian(0.5)).double()
    x, first_seen = torch.tensor([[1.5, torch.nan]]).double(), torch.tensor([True, False])
    n = 8000
    found = inpaint(model, x, first_seen, method=method, draws=n, steps=100, generator=generator())
    grid = np.linspace(-8, 8, 20_001)
    density = np.exp(-(grid**2) / 2 - (1.5 - grid**2 - 0.3 * grid) ** 2 / (2 * 0.5))
    cdf = cumulative_trapezoid(density, grid, initial=0)
    density, cdf = density / cdf[-1], cdf / cdf[-1]
    mean = np.trapezoid(grid * density, grid)
    variance = np.trapezoid((grid - mean) ** 2 * density, grid)
    z, hidden = found.z[:, 0, 0].numpy(), found.draws[:, 0, 1].numpy()
    assert kstest(z, lambda value: np.interp(value, grid, cdf)).pvalue > 1e-4
    assert abs(hidden.mean() - mean) < 4 * ((variance + 0.5) / n) ** 0.5
    assert abs(hidden.var() / (variance + 0.5) - 1) < 4 * (2 / n) ** 0.5


def test_seen_pixels_are_kept_and_hidden_ones_not_looked_at(images):
    model, _ = linear_model()
    holes = images.clone()
    holes[:, ~SEEN] = torch.nan
    for method in (*METHODS, "pseudo-gibbs"):
        options = {"method": method, "draws": 4, "steps": 10}
        found = inpaint(model, holes, SEEN, generator=generator(), **options)
        assert torch.equal(found.draws[..., SEEN], images[:, SEEN].expand(4, 3, -1))
        assert found.draws.isfinite().all()
        again = inpaint(model, images, SEEN, generator=generator(), **options)
        assert torch.equal(found.draws, again.draws), "hidden values were used"
        assert found.efficiency.shape == (3,)
        assert ((found.efficiency > 0) & (found.efficiency <= 1)).all()


def test_pseudo_gibbs_lacks_the_test_and_is_off_where_the_encoder_is(images):
    """An encoder that is too wide: Metropolis corrects it, pseudo-Gibbs cannot."""
    model, full = linear_model()
    encode = model.encoder.forward
    model.encoder.forward = lambda x: (encode(x)[0], encode(x)[1] + 2.0)
    wanted = full.inpaint(images, SEEN).covariance.diagonal()[~SEEN]
    options = {"draws": 2000, "steps": 60}
    right = inpaint(model, images, SEEN, method="metropolis", generator=generator(), **options)
    wrong = inpaint(model, images, SEEN, method="pseudo-gibbs", generator=generator(), **options)
    assert (right.draws.var(0)[:, ~SEEN] / wanted - 1).abs().max() < 0.2
    assert (wrong.draws.var(0)[:, ~SEEN] / wanted - 1).abs().max() > 0.5


def test_a_chain_that_runs_away_is_named(images):
    """An encoder that answers to an image with ten times too large a code."""
    model, _ = linear_model()
    encode = model.encoder.forward
    model.encoder.forward = lambda x: (10 * encode(x)[0], encode(x)[1])
    with pytest.raises(ValueError, match="method='pseudo-gibbs' ran away: after 400 steps"):
        inpaint(
            model, images, SEEN, method="pseudo-gibbs", draws=2, steps=400, generator=generator()
        )


def test_images_that_run_away_before_their_codes_are_named_as_well(images):
    """A decoder that answers to a usual code with numbers that float64 cannot hold."""
    model, _ = linear_model()
    model.decoder.W = model.decoder.W * 1e308
    options = {"method": "pseudo-gibbs", "draws": 2, "steps": 5}
    with pytest.raises(ValueError, match="method='pseudo-gibbs' ran away: after 5 steps"):
        inpaint(model, images, SEEN, generator=generator(), **options)


def test_proposals_that_are_not_finite_are_not_accepted(images):
    """An encoder that sometimes answers with inf: the chain stays, and what it draws is right."""
    model, _ = linear_model()
    encode, calls = model.encoder.forward, []

    def broken(x):
        mu, log_var = encode(x)
        calls.append(len(x))
        return (torch.where(torch.arange(len(x))[:, None] % 3 > 0, mu, torch.inf), log_var)

    model.encoder.forward = broken
    model._check_posterior = lambda q, *_: vq.Posterior(*q)
    options = {"method": "metropolis", "draws": 200, "steps": 20}
    found = inpaint(model, images, SEEN, generator=generator(), **options)
    assert found.draws.isfinite().all()
    assert found.efficiency[0] == 0  # rows of the first image are those that broke
    assert found.efficiency[1:].min() > 0.1
    assert calls


def test_a_frozen_part_stays_frozen(images):
    """Whoever put a part into evaluation mode finds it there afterwards."""
    model, _ = linear_model()
    model.train()
    model.decoder.eval()
    inpaint(model, images, SEEN, draws=2, steps=4, generator=generator())
    super_resolve(model, images[:, :1], torch.eye(D)[:1], steps=4, generator=generator())
    assert model.training
    assert model.encoder.training
    assert not model.decoder.training


def test_a_mask_for_each_image_and_the_same_for_all_agree(images):
    model, _ = linear_model()
    one = inpaint(model, images, SEEN, draws=3, steps=5, generator=generator())
    each = inpaint(model, images, SEEN.expand(3, D), draws=3, steps=5, generator=generator())
    assert torch.equal(one.draws, each.draws)


def test_a_hybrid_model_with_labels_and_counts():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 4, 2, likelihood=vq.Binomial(16), condition=Labels(10)).train()
    x = vq.load_digits().x_test[:3]
    seen = torch.rand(3, 64, generator=generator()) < 0.5
    y = torch.tensor([1, 2, 3])
    for method in METHODS:
        found = inpaint(model, x, seen, y=y, method=method, draws=2, steps=4, generator=generator())
        model.likelihood.check_data(found.draws)  # counts come back
    assert model.training, "the mode is put back"
    assert all(p.grad is None for p in model.parameters()), "no gradient is left in the weights"


# ---------------------------------------------------------------- rivals and scores


def test_neighbours_are_those_of_the_seen_pixels():
    x_train = torch.tensor([[0.0, 0.0, 5.0], [1.0, 1.0, 7.0], [9.0, 9.0, 9.0]])
    x = torch.tensor([[0.9, 0.9, 100.0]])
    fills = neighbour_fills(x, torch.tensor([True, True, False]), x_train, neighbours=2)
    assert torch.equal(fills, torch.tensor([[[0.9, 0.9, 7.0]], [[0.9, 0.9, 5.0]]]))


def test_hidden_rmse_by_hand():
    x, filled = torch.zeros(2, 4), torch.tensor([[9.0, 3.0, 4.0, 9.0], [9.0, 1.0, 1.0, 9.0]])
    found = hidden_rmse(x, filled, torch.tensor([True, False, False, True]))
    assert torch.allclose(found, torch.tensor([12.5**0.5, 1.0]))


def test_the_energy_score_of_gaussian_draws_has_its_closed_form():
    """One hidden pixel: E|X - x| - ½E|X - X'| of N(0, 1) at x = 0 is √(2/π) - 1/√π."""
    draws = torch.randn(2000, 1, 2, generator=generator()).double()
    found = energy_score(torch.zeros(1, 2).double(), draws, torch.tensor([True, False]))
    wanted = (2 / torch.pi) ** 0.5 - torch.pi**-0.5
    assert found.item() == pytest.approx(wanted, abs=0.03)


def test_the_energy_score_of_three_draws_by_hand():
    """Hidden pixels 3-4-5 apart: distances to the truth 0, 5, 10, of the draws 5, 10, 5."""
    truth = torch.tensor([[7.0, 0.0, 0.0]])
    draws = torch.tensor([[[7.0, 0.0, 0.0]], [[7.0, 3.0, 4.0]], [[7.0, 6.0, 8.0]]])
    found = energy_score(truth, draws, torch.tensor([True, False, False]))
    assert found.item() == pytest.approx((0 + 5 + 10) / 3 - 0.5 * (5 + 10 + 5) / 3)


@pytest.mark.parametrize("offset", [0.0, 300.0, 3e4])
def test_the_energy_score_of_many_draws_far_off_is_that_of_their_differences(offset):
    """Errors that share an offset lose nothing but the digits that float32 lacks there."""
    truth = torch.rand(4, 6, generator=generator())
    draws = torch.rand(40, 4, 6, generator=generator(1)) + offset
    found = energy_score(truth, draws, SEEN)
    hidden = (draws - truth)[..., ~SEEN].double()
    to_truth = hidden.norm(dim=-1).mean(0)
    between = (hidden[:, None] - hidden).norm(dim=-1).sum((0, 1)) / (40 * 39)
    torch.testing.assert_close(found.double(), to_truth - 0.5 * between, rtol=1e-6, atol=1e-6)


def test_the_energy_score_punishes_too_little_and_too_much_scatter():
    truth = torch.randn(200, 3, generator=generator()).double()
    noise = torch.randn(30, 200, 3, generator=generator(1)).double()
    seen = torch.zeros(3, dtype=torch.bool)
    score = {width: energy_score(truth, width * noise, seen).mean() for width in (0.2, 1.0, 3.0)}
    assert score[1.0] < score[0.2] - 0.1
    assert score[1.0] < score[3.0] - 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "gibbs"}, "method='gibbs': expected one of 'langevin'"),
        ({"steps": 1}, "steps=1: expected a whole number (of at least|from) 2"),
        ({"draws": 0}, "draws=0: expected"),
        ({"observed": SEEN[:4]}, r"observed has shape \(4,\): expected \(6,\)"),
        ({"observed": SEEN.expand(3, D)}, r"observed has shape \(3, 6\): expected \(2, 6\)"),
        ({"x": torch.full((2, D), torch.nan)}, "expected finite numbers where observed is True"),
        ({"x": torch.zeros(D)}, r"x has shape \(6,\): expected \(B, D\)"),
    ],
)
def test_bad_input_is_named(change, message):
    model, _ = linear_model()
    arguments = {"x": torch.zeros(2, D).double(), "observed": SEEN, "draws": 2, "steps": 4} | change
    with pytest.raises(ValueError, match=message):
        inpaint(model, generator=generator(), **arguments)


def test_a_mask_of_numbers_is_named():
    with pytest.raises(TypeError, match=r"observed has dtype torch.float32: expected torch.bool"):
        inpaint(linear_model()[0], torch.zeros(2, D).double(), SEEN.float(), generator=generator())


def test_scores_refuse_what_does_not_fit():
    x, seen = torch.zeros(2, 3), torch.tensor([True, False, True])
    with pytest.raises(ValueError, match="hides nothing in one of the images"):
        hidden_rmse(x, x, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"fill has shape \(2, 2\): expected \(2, 3\)"):
        hidden_rmse(x, x[:, :2], seen)
    with pytest.raises(ValueError, match="expected at least 2 rows"):
        energy_score(x, x[None], seen)
    with pytest.raises(ValueError, match="neighbours=3: expected a whole number from 1 to 2"):
        neighbour_fills(x, seen, x, neighbours=3)
    with pytest.raises(ValueError, match="x_train has shape"):
        neighbour_fills(x, seen, x[:, :2])


def test_a_model_of_other_data_is_named():
    model = vq.VQVAE(16, 8, 4, 2)
    with pytest.raises(ValueError, match=r"x has shape \(3, 25\): expected \(N, 16\)"):
        inpaint(model, torch.rand(3, 25), torch.ones(25).bool(), generator=generator())
    with pytest.raises(TypeError, match="model is a Linear: expected a VAE or VQVAE"):
        inpaint(torch.nn.Linear(4, 4), torch.rand(3, 4), SEEN[:4], generator=generator())


@pytest.mark.parametrize("method", [*METHODS, "pseudo-gibbs"])
def test_arrays_and_wider_numbers_give_the_same_draws(method):
    model = vq.VQVAE(16, 8, 4, 2)
    x, seen = torch.rand(3, 16, generator=generator()), torch.arange(16) % 3 > 0
    options = {"method": method, "draws": 2, "steps": 3}
    expected = inpaint(model, x, seen, generator=generator(), **options)
    for rows, mask in ((x.double(), seen), (x.numpy(), seen.numpy())):
        found = inpaint(model, rows, mask, generator=generator(), **options)
        torch.testing.assert_close(found.draws, expected.draws)
        assert found.draws.dtype == torch.float32


@pytest.mark.parametrize("method", [*METHODS, "pseudo-gibbs"])
def test_inference_mode_changes_nothing(method):
    model = vq.VQVAE(16, 8, 4, 2, condition=Labels(3))
    with torch.inference_mode():
        x, y, A = torch.rand(3, 16, generator=generator()), torch.arange(3), torch.eye(16)[:5] * 1
        seen = torch.arange(16) % 3 > 0
        options = {"y": y, "method": method, "draws": 2, "steps": 3}
        found = inpaint(model, x, seen, generator=generator(), **options)
        large = super_resolve(model, x[:, :5], A, y=y, steps=3, generator=generator())
    x, y, seen, A = x.clone(), y.clone(), seen.clone(), A.clone()
    expected = inpaint(model, x, seen, generator=generator(), **options | {"y": y})
    assert torch.equal(found.draws, expected.draws)
    wanted = super_resolve(model, x[:, :5], A, y=y, steps=3, generator=generator())
    assert torch.equal(large, wanted)


def test_a_model_made_in_inference_mode_is_asked_for_no_slopes():
    with torch.inference_mode():
        model = vq.VQVAE(16, 8, 4, 2)
    x, seen, A = torch.rand(3, 16, generator=generator()), torch.arange(16) % 3 > 0, torch.eye(16)
    options = {"draws": 2, "steps": 3}
    with pytest.raises(ValueError, match=r"model was made in inference mode.*copy\.deepcopy"):
        inpaint(model, x, seen, generator=generator(), **options)
    with pytest.raises(ValueError, match="model was made in inference mode"):
        super_resolve(model, x[:, :5], A[:5], generator=generator(), **options)
    free = copy.deepcopy(model)  # as the sentence says
    inpaint(free, x, seen, generator=generator(), **options)
    super_resolve(free, x[:, :5], A[:5], generator=generator(), **options)
    options["method"] = "metropolis"  # which needs none
    found = inpaint(model, x, seen, generator=generator(), **options)
    expected = inpaint(free, x, seen, generator=generator(), **options)
    assert torch.equal(found.draws, expected.draws)


@pytest.mark.parametrize(("seed", "width"), [(0, "inf"), (2, "0")])
def test_data_that_no_encoder_has_seen_are_named(seed, width):
    torch.manual_seed(seed)
    model = vq.mlp_vae(16, 8, 2, vq.Gaussian())
    x = torch.full((2, 16), -1e30)
    with pytest.raises(ValueError, match=rf"the encoder's width for x\[0, \d\] is {width} \(and"):
        inpaint(model, x, torch.arange(16) % 3 > 0, draws=2, steps=2, generator=generator())


def test_draws_that_no_machine_could_hold_are_refused():
    model, x, seen = vq.mlp_vae(16, 8, 2, vq.Gaussian()), torch.rand(2, 16), torch.arange(16) > 3
    with pytest.raises(ValueError, match=r"draws=100000000: .* from 1 to 67108863"):
        inpaint(model, x, seen, draws=10**8, generator=generator())
    with pytest.raises(ValueError, match=r"steps=1000000: .* from 2 to 134217"):
        inpaint(model, x, seen, method="importance", draws=1000, steps=10**6, generator=generator())
    with pytest.raises(ValueError, match=r"draws has shape .*: expected fewer, since all pairs"):
        energy_score(x[:, :1], torch.zeros(40_000, 2, 1), torch.tensor([False]))


# ---------------------------------------------------------------- neighbours


@pytest.mark.parametrize(
    ("offset", "dtype"),
    [
        *(
            (offset, dtype)
            for offset in (0.0, 300.0, -1e4)
            for dtype in (torch.float32, torch.float64)
        ),
        (1e8, torch.float64),
    ],
)
def test_neighbours_are_found_wherever_the_data_lie(offset, dtype):
    x_train = torch.rand(500, 20, generator=generator(), dtype=torch.float64)
    x = x_train[::10] + 0.01 * torch.randn(50, 20, generator=generator(1)).double()
    seen = torch.rand(50, 20, generator=generator(2)) < 0.6
    rows, train = (x + offset).to(dtype), (x_train + offset).to(dtype)
    found = neighbour_fills(rows, seen, train, neighbours=3)
    differences = torch.where(seen[:, None], rows[:, None].double() - train.double(), 0.0)
    nearest = differences.norm(dim=-1).topk(3, largest=False).indices  # (50, 3)
    assert torch.equal(found, torch.where(seen, rows, train[nearest.T]))


def test_neighbours_of_many_images_are_those_of_each_alone():
    x, train = torch.rand(600, 6, generator=generator()), torch.rand(50, 6, generator=generator(1))
    together = neighbour_fills(x, SEEN, train, neighbours=2)
    for row in (0, 255, 256, 599):
        alone = neighbour_fills(x[row : row + 1], SEEN, train, neighbours=2)
        assert torch.equal(together[:, row], alone[:, 0])


def test_images_equally_far_are_chosen_as_exact_numbers_say():
    """Digits hold multiples of 1/16: many are equally far, to the last bit."""
    digits = vq.load_digits()
    x, train = digits.x_test[:100], digits.x_train
    seen = torch.arange(64) % 8 < 5
    visible = torch.where(seen, x, 0.0)
    distances = visible.square().sum(1, keepdim=True) - 2 * visible @ train.T  # exact in float32
    distances = distances + seen.float() @ train.square().T
    nearest = distances.topk(10, largest=False).indices
    expected = torch.where(seen, x, train[nearest.T])
    assert torch.equal(neighbour_fills(x, seen, train), expected)


def test_scores_of_truths_that_are_not_known_are_refused():
    x, seen = torch.zeros(2, 3), torch.tensor([True, False, True])
    unknown = torch.tensor([[0.0, torch.nan, 0.0]] * 2)
    with pytest.raises(ValueError, match=r"x\[0, 1\] is nan"):
        hidden_rmse(unknown, x, seen)
    with pytest.raises(ValueError, match=r"fill\[0, 1\] is nan .* in the holes"):
        hidden_rmse(x, unknown, seen)
    with pytest.raises(ValueError, match=r"draws\[0, 0, 1\] is nan"):
        energy_score(x, unknown.expand(2, 2, 3), seen)
    shown = torch.tensor([[torch.nan, 0.0, torch.inf]] * 2)  # what was seen is not looked at
    assert hidden_rmse(x, shown, seen).tolist() == [0, 0]
    assert torch.equal(hidden_rmse(x.int(), x.int() + 2, seen), torch.full((2,), 2.0))
