"""The figure of a painted hole, seen from Python, and its chains run in Node."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import vqvae_lib as vq
from tests.course import test_quantum_plane
from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.course.widgets import HolePainter, hole_painter
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood
from vqvae_lib.networks import mlp
from vqvae_lib.vae import VAE, GaussianEncoder

SHAPE = (4, 6)
D = 24
HOLES = {"some": [3, 4, 9, 10, 11, 20], "one": [0], "all": list(range(D))}
# Each has another way from the code to the image, or from the image to the code.
CASES = {
    "the course's": {"likelihood": Binomial(16)},
    "unscaled": {"scale_features": False, "angle_scale": 1.0},
    "ring of CZ": {"entangler": "ring", "gate": "CZ", "activation": "silu"},
    "reuploaded": {"entangler": "ring", "reupload": True, "likelihood": Gaussian(0.08)},
    "RX from zero": {
        "latent_dim": 3, "n_qubits": 3, "initial": "zero", "embedding": "RX", "activation": "tanh",
    },
    "separable": {"bottleneck": "separable", "likelihood": Bernoulli(), "activation": "relu"},
    "none": {"bottleneck": "none", "likelihood": Binomial(255), "activation": "sigmoid"},
    "plain": None,
}  # fmt: skip


def rounded(model):
    """The model in double precision, with numbers that float16 holds exactly."""
    return model.half().double()


def drawn(case="unscaled", seed=0, **changes):
    """A model whose numbers are all drawn."""
    torch.manual_seed(seed)
    if CASES[case] is None:
        return rounded(vq.mlp_vae(D, 10, 3, Gaussian(0.1)))
    given = (
        {"hidden_dim": 10, "latent_dim": 4, "n_qubits": 2, "init": "random"} | CASES[case] | changes
    )
    model = vq.VQVAE(D, **given)
    with torch.no_grad():
        for parameter in model.bottleneck.parameters():
            parameter.uniform_(-math.pi, math.pi)
        model.encoder.log_var.bias.add_(-0.5)
    return rounded(model)


def pictures(likelihood, n=3, size=D):
    """Images that the likelihood can produce."""
    x = torch.rand(n, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    counts = {Bernoulli: 1, Binomial: getattr(likelihood, "total_count", 1)}
    count = counts.get(type(likelihood), 256)
    return (x * count).round() / count


def figure(model, images=None, **changes):
    images = pictures(model.likelihood) if images is None else images
    given = {"labels": range(len(images)), "image_shape": SHAPE, "alt": "A hole."} | changes
    return HolePainter(model, images, given.pop("labels"), **given)


def unpacked(text):
    """Numbers that float16 bytes hold, in full precision."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(float)


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    model = drawn()
    widget = figure(model, hidden=[5, 2, 2], chosen=1)
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "angles", "chosen", "circuit", "decoder", "encoder", "feature_scale", "hidden",
        "image_shape", "images", "labels", "likelihood", "mean_image", "words",
    }  # fmt: skip
    assert (state["hidden"], state["chosen"], state["labels"]) == ([2, 5], 1, [0, 1, 2])
    assert state["likelihood"] == {
        "name": "gaussian",
        "variance": model.likelihood.variance(torch.zeros(1)).item(),
    }
    weights = model.quantum_layer.weights.detach().flatten()
    np.testing.assert_array_equal(unpacked(state["angles"]), weights)
    images = pictures(model.likelihood).half().double()
    np.testing.assert_array_equal(unpacked(state["images"]), images.flatten())
    assert repr(widget) == "HolePainter(n_images=3, image_shape=[4, 6], chosen=1)"
    assert widget._repr_mimebundle_()[0]["text/html"].endswith(">A hole.</div>")
    assert state_in_html(figure(model))["hidden"] == list(range(12, 24))  # the lower half


def test_a_model_without_a_circuit_carries_none():
    state = state_in_html(figure(drawn("none")))
    assert (state["circuit"], state["angles"]) == ({}, "")
    assert state["likelihood"] == {"name": "binomial", "total_count": 255}
    assert state_in_html(figure(drawn("separable")))["likelihood"]["total_count"] == 1


def test_mean_image_is_taken_or_that_of_the_model():
    mean = torch.linspace(0, 1, D)
    state = state_in_html(figure(drawn(), mean_image=mean))
    np.testing.assert_allclose(unpacked(state["mean_image"]), mean, atol=3e-4)
    model = linear()
    found = unpacked(state_in_html(figure(model, linear_images(model)))["mean_image"])
    bias = model.decoder[0].bias.detach()
    deviation = model.decoder[0].weight.detach().square().sum(1).sqrt()
    assert (np.abs(found - bias.numpy()) < 5 * deviation.numpy() / math.sqrt(2000) + 3e-4).all()


def test_state_of_an_8x8_model_stays_below_60_kB():
    digits = vq.load_digits()
    for settings in ({"likelihood": Binomial(16)}, {}, {"bottleneck": "none"}):
        model = vq.VQVAE(64, 128, 8, 4, **settings)
        widget = HolePainter(model, digits.x_test[:12], digits.y_test[:12], alt="A digit. " * 20)
        assert len(widget._repr_mimebundle_()[0]["text/html"].encode()) < 60_000


def test_the_largest_state_stays_below_60_kB():
    torch.manual_seed(0)
    images = torch.rand(16, 64)
    model = vq.mlp_vae(64, 128, 8, Gaussian())
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert weights + 17 * 64 == hole_painter.NUMBERS - 19
    widget = HolePainter(model, images, range(16), alt="A digit. " * 20)
    assert len(widget._repr_mimebundle_()[0]["text/html"].encode()) < 60_000
    wider = vq.mlp_vae(64, 129, 8, Gaussian())
    with pytest.raises(ValueError, match=r"model, images: 21035 weights and pixels are too many"):
        HolePainter(wider, images, range(16), alt="A digit.")


class Poisson(Likelihood):
    """One that the figure does not know."""

    param_names = ("log_rate",)

    def log_prob(self, x, params):
        return x * params - params.exp() - torch.lgamma(x + 1)

    def mean(self, params):
        return params.exp()

    def sample(self, params, *, generator=None):
        return torch.poisson(params.exp(), generator=generator)


def without_bias(model):
    model.decoder[0] = nn.Linear(4, 10, bias=False)
    return model


def convolutional():
    return vq.VQVAE(64, 8, 4, 2, image_shape=(8, 8), likelihood=Gaussian())


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        (
            lambda: drawn(condition=vq.Labels(10)),
            {},
            r"model: expected one without a condition, got Labels\(n_classes=10\)",
        ),
        (convolutional, {"image_shape": (8, 8)}, "encoder.trunk: cannot run ConvEncoder here"),
        (lambda: drawn(activation="softplus"), {}, "encoder.trunk: cannot run Softplus here"),
        (lambda: without_bias(drawn()), {}, "decoder: expected Linear layers with a bias"),
        (lambda: drawn(bottleneck="mlp"), {}, "bottleneck: cannot run _NearIdentity here, expect"),
        (lambda: drawn(bottleneck="fourier"), {}, "bottleneck: cannot run Fourier here, expected"),
        (
            lambda: drawn(likelihood=Gaussian("per_dimension")),
            {},
            r"likelihood: .* got Gaussian\(variance='per_dimension'",
        ),
        (lambda: drawn(likelihood=Binomial(256)), {}, "likelihood: .* up to 255, got Binomial"),
        (lambda: drawn(likelihood=Poisson()), {}, "likelihood: expected Gaussian .*, got Poisson"),
        (drawn, {"image_shape": (8, 8)}, "model: expected an encoder of D=64 .* got 24 and 24"),
        (drawn, {"image_shape": (-4, -6)}, r"image_shape=\(-4, -6\): expected \(H, W\)"),
        (drawn, {"images": torch.rand(3, 23)}, r"images: .* \(N, 24\) .* got \(3, 23\)"),
        (drawn, {"images": torch.rand(17, 24)}, r"images: .* from 1 to 16, got \(17, 24\)"),
        (drawn, {"images": torch.full((1, 24), 1.01)}, "images: expected values from 0 to 1"),
        (drawn, {"images": torch.full((1, 24), math.nan)}, "images: expected values from 0 to 1"),
        (lambda: drawn("separable"), {"images": torch.full((1, 24), 0.5)}, "images: .* 0 or 1"),
        (drawn, {"labels": [1, 2]}, r"labels: expected one for each of 3 images, got \[1, 2\]"),
        (drawn, {"mean_image": torch.zeros(23)}, r"mean_image: expected shape \(24,\), got \(23,"),
        (drawn, {"mean_image": torch.full((24,), -0.1)}, "mean_image: expected values from 0 to 1"),
        (drawn, {"chosen": 3}, "chosen=3: expected a whole number from 0 to 2"),
        (drawn, {"chosen": 0.0}, "chosen=0.0: expected a whole number from 0 to 2"),
        (drawn, {"hidden": [0, 24]}, "hidden=24: expected a whole number from 0 to 23"),
    ],
)
def test_what_does_not_fit_is_named(model, changes, said):
    model = model()
    images = changes.pop("images", None)
    if images is None and isinstance(model.likelihood, Poisson):
        images = torch.rand(3, D)
    with pytest.raises(ValueError, match=said):
        figure(model, images, **changes)


def test_what_is_no_model_or_no_number_is_named():
    with pytest.raises(TypeError, match="model: expected a VAE or VQVAE, got Linear"):
        figure(nn.Linear(D, D), torch.rand(3, D))
    model = drawn()
    model.encoder = nn.Identity()
    with pytest.raises(ValueError, match="encoder: expected a GaussianEncoder, got Identity"):
        figure(model)
    for part, said in (
        ("weights", "bottleneck: an angle"),
        ("raw_log_var", "likelihood: expected"),
    ):
        model = drawn()
        holder = model.likelihood if part == "raw_log_var" else model.quantum_layer
        with torch.no_grad():
            getattr(holder, part).fill_(math.nan)
        with pytest.raises(ValueError, match=said):
            figure(model, mean_image=torch.zeros(D))


def test_chosen_and_hidden_stay_in_range_also_later():
    widget = figure(drawn())
    widget.chosen, widget.hidden = 2, [7, 1, 7]
    assert widget.hidden == [1, 7]
    with pytest.raises(ValueError, match="chosen=-1: expected a whole number from 0 to 2"):
        widget.chosen = -1
    with pytest.raises(ValueError, match="hidden=24: expected a whole number from 0 to 23"):
        widget.hidden = [24]
    assert (widget.chosen, widget.hidden) == (2, [1, 7])


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(hole_painter, monkeypatch)


# The chains in Node, with the same random numbers as in torch -------------------------------------


def filled(state, image, hidden, numbers, chains, steps, moves):
    """What the script makes of an image; `numbers` are lists, or a seed."""
    parts = ("encoder", "decoder", "circuit", "angles", "feature_scale", "likelihood")
    noise = f"makeNoise({numbers})"
    if not isinstance(numbers, int):
        noise = (
            f"((n) => ({{ normal: () => n.normal.shift(), uniform: () => n.uniform.shift(),"
            f" left: () => n.normal.length + n.uniform.length }}))({json.dumps(numbers)})"
        )
    described = json.dumps({name: state[name] for name in parts})
    images, start = (f"float16('{state[name]}')" for name in ("images", "mean_image"))
    return in_node(
        "hole_painter",
        f"(() => {{ const noise = {noise};"
        f" const image = {images}.slice({D * image}, {D * image + D});"
        f" const found = fillHole(unpackModel({described}), image, {hidden}, {start}, noise,"
        f" {{ chains: {chains}, steps: {steps}, moves: {moves} }});"
        " return { ...found, average: [...found.average], deviation: [...found.deviation],"
        " left: noise.left?.() }; })()",
    )


def reference(model, image, hidden, start, numbers, chains, steps, moves):
    """The same chains with the library's encoder, decoder and densities."""
    normal, uniform = iter(numbers["normal"]), iter(numbers["uniform"])
    gaussian = isinstance(model.likelihood, Gaussian)
    seen = [i for i in range(D) if i not in hidden]

    def take(source, *shape):
        values = [next(source) for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=torch.float64).reshape(shape)

    def propose(q):
        return q.mu + (q.log_var / 2).exp() * take(normal, chains, model.d)

    def log_joint(x, z, pixels):
        """log p(x_pixels, z), of every chain."""
        return model.likelihood.log_prob(x, model.decode(z))[:, pixels].sum(1) + gaussian_log_prob(
            z
        )

    def redraw(params):
        numbers = take(normal if gaussian else uniform, D)
        if gaussian:
            return params + model.likelihood.variance(params).sqrt() * numbers
        count = getattr(model.likelihood, "total_count", 1)
        return torch.from_numpy(stats.binom.ppf(numbers, count, params.sigmoid())) / count

    x = image.repeat(chains, 1)  # (C, D)
    x[:, hidden] = start[hidden]
    z, kept, accepted, moved = propose(model.encode(x)), [], 0, 0
    halves = torch.arange(chains).chunk(2)
    for step in range(steps):
        q = model.encode(x)
        proposed = propose(q)
        weights = [
            log_joint(x, codes, range(D)) - gaussian_log_prob(codes, *q) for codes in (proposed, z)
        ]
        taken = take(uniform, chains).log() < weights[0] - weights[1]
        z[taken] = proposed[taken]
        accepted += int(taken.sum())
        for move in range(step * moves, step * moves + moves):
            scale = 1 if move % 8 == 7 else 2.38 / math.sqrt(2 * model.d)
            for own, others in (halves, halves[::-1]):
                proposed = z[own].clone()
                for k in range(len(own)):
                    first, further = (
                        int(take(uniform, 1) * size) for size in (len(own), len(own) - 1)
                    )
                    second = (first + 1 + further) % len(own)
                    proposed[k] += scale * (z[others[first]] - z[others[second]])
                    proposed[k] += 0.05 * take(normal, model.d)
                gain = log_joint(x[own], proposed, seen) - log_joint(x[own], z[own], seen)
                taken = take(uniform, len(own)).log() < gain
                z[own[taken]] = proposed[taken]
                moved += int(taken.sum())
        for k in range(chains):
            x[k, hidden] = redraw(model.decode(z[None, k])[0])[hidden]
        means = model.likelihood.mean(model.decode(z))[:, hidden]  # (C, H)
        if step >= steps / 2:
            kept.append(means)
    return {
        "average": torch.cat(kept).mean(0),
        "deviation": torch.cat(kept).std(0, correction=0),
        "draws": means,
        "accepted": accepted / (chains * steps),
        "moved": moved / (chains * steps * moves),
    }


@needs_node
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("hole", HOLES)
def test_the_fill_is_that_of_the_library(case, hole):
    model = drawn(case, seed=list(CASES).index(case))
    chains, steps, moves = (8, 6, 3) if hole == "some" else (8, 3, 1)
    generator = np.random.default_rng(3)
    normals = chains * model.d * (1 + steps * (1 + moves))
    uniforms = chains * steps * (1 + 3 * moves)
    if isinstance(model.likelihood, Gaussian):
        normals += steps * chains * D
    else:
        uniforms += steps * chains * D
    numbers = {
        "normal": generator.normal(size=normals), "uniform": generator.uniform(size=uniforms)
    }  # fmt: skip
    numbers = {kind: values.tolist() for kind, values in numbers.items()}
    state = state_in_html(figure(model))
    found = filled(state, 1, HOLES[hole], numbers, chains, steps, moves)
    image = torch.from_numpy(unpacked(state["images"]).reshape(-1, D))[1]
    count = getattr(model.likelihood, "total_count", None)
    if count is not None:  # float16 does not hold the 255ths
        np.testing.assert_allclose(image * count, (image * count).round(), atol=0.07)
    start = torch.from_numpy(unpacked(state["mean_image"]))
    with torch.no_grad():
        expected = reference(model, image, HOLES[hole], start, numbers, chains, steps, moves)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6, err_msg=name)
    assert found["left"] == 0  # no number was asked for in vain
    if hole == "some":
        assert 0.1 < found["accepted"] < 0.95  # both are met
        assert 0.1 < found["moved"] < 0.95


# Against the exact conditional of a linear model -------------------------------------------------


def linear():
    """A linear model whose q(z|x) has the posterior's mean, but no covariances."""
    torch.manual_seed(5)
    d, variance = 3, 0.02
    encoder = GaussianEncoder(mlp([D, d]), d, d)
    model = VAE(encoder, mlp([d, D]), Gaussian(variance)).double()
    W = 0.15 * torch.randn(D, d, dtype=torch.float64)
    posterior = torch.linalg.inv(torch.eye(d, dtype=torch.float64) + W.T @ W / variance)  # (d, d)
    with torch.no_grad():
        model.decoder[0].weight.copy_(W)
        model.decoder[0].bias.fill_(0.5)
        encoder.trunk[0].weight.copy_(posterior @ W.T / variance)
        encoder.trunk[0].bias.copy_(-posterior @ W.T.sum(1) * 0.5 / variance)
        encoder.mu.weight.copy_(torch.eye(d))
        encoder.mu.bias.zero_()
        encoder.log_var.weight.zero_()
        encoder.log_var.bias.copy_(posterior.diagonal().log() + 0.3)
    return rounded(model)


def linear_images(model):
    generator = torch.Generator().manual_seed(2)
    return model.sample(3, generator=generator).clamp(0, 1)


@needs_node
@pytest.mark.parametrize("moves", [0, 3])  # also without: what is left is Metropolis within Gibbs
@pytest.mark.parametrize("hidden", [list(range(12)), [i for i in range(D) if i % 4]])
def test_draws_are_those_of_the_exact_conditional(hidden, moves):
    model = linear()
    state = state_in_html(figure(model, linear_images(model)))
    chains = 600
    found = filled(state, 0, hidden, 7, chains, 60, moves)
    assert 0.2 < found["accepted"] < 0.9

    x = torch.from_numpy(unpacked(state["images"]).reshape(-1, D))[0]
    seen = [i for i in range(D) if i not in hidden]
    W, b = (parameter.detach() for parameter in model.decoder.parameters())
    variance = model.likelihood.fixed_variance
    total = W @ W.T + variance * torch.eye(D)  # (D, D), of p(x)
    gain = total[hidden][:, seen] @ torch.linalg.inv(total[seen][:, seen])
    mean = b[hidden] + gain @ (x[seen] - b[seen])
    left = (W @ W.T)[hidden][:, hidden] - gain @ (W @ W.T)[seen][:, hidden]
    deviation = left.diagonal().sqrt()  # of E[x_hidden|z], given the seen pixels

    error = deviation / math.sqrt(chains)
    draws = torch.tensor(found["draws"])
    assert ((draws.mean(0) - mean).abs() < 4 * error).all()
    assert ((torch.tensor(found["average"]) - mean).abs() < 4 * error).all()
    np.testing.assert_allclose(found["deviation"], deviation, rtol=0.1)
    np.testing.assert_allclose(draws.std(0), deviation, rtol=0.12)  # 4 / sqrt(2 chains)
    assert deviation.max() > 0.1  # the seen pixels do not say everything


# The parts ---------------------------------------------------------------------------------------


@needs_node
def test_gelu_out_of_the_table_is_gelu():
    x = np.concatenate([np.linspace(-12, 12, 4801), [0, 0.0625, -7.9999, 8, -8, 40, -40]])
    found = in_node("hole_painter", f"{x.tolist()}.map(quickGelu)")
    np.testing.assert_allclose(found, x * stats.norm.cdf(x), rtol=0, atol=1e-12)


@needs_node
def test_compiled_circuits_give_the_features_of_the_library():
    cases, expected = [], []
    z = torch.tensor(test_quantum_plane.POINTS, dtype=torch.float64)
    for seed, settings in enumerate(test_quantum_plane.CASES.values()):
        model = test_quantum_plane.drawn(seed=seed, **settings)
        state = state_in_html(test_quantum_plane.figure(model))
        cases.append([state["circuit"], state["weights"]])
        with torch.no_grad():
            expected.append(model.quantum_layer(z).numpy())
    points = json.dumps(test_quantum_plane.POINTS)
    found = in_node("hole_painter", f"{json.dumps(cases)}.map((c) => {points}.map(compile(...c)))")
    for features, values in zip(found, expected, strict=True):
        np.testing.assert_allclose(features, values, rtol=0, atol=1e-12)


@needs_node
@pytest.mark.parametrize("total", [1, 2, 16, 255])
def test_counts_are_quantiles_of_the_binomial(total):
    u = np.random.default_rng(0).uniform(size=40)
    p = [1e-12, 1e-3, 0.2, 0.5, 0.50001, 0.93, 0.96, 1 - 1e-9]
    found = in_node(
        "hole_painter", f"{p}.map((p) => {u.tolist()}.map((u) => binomialCount(u, {total}, p)))"
    )
    np.testing.assert_array_equal(found, stats.binom.ppf(u, total, np.array(p)[:, None]))


@needs_node
def test_noise_is_what_it_is_called():
    command = (
        "(({ normal, uniform }) => Array.from({ length: 20000 }, () => [normal(), uniform()]))"
    )
    first, second, other = (
        np.array(in_node("hole_painter", f"{command}(makeNoise({seed}))")) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).all()
    assert stats.kstest(first[:, 0], "norm").pvalue > 0.01
    assert stats.kstest(first[:, 1], "uniform").pvalue > 0.01
    assert abs(np.corrcoef(first[:-1].T, first[1:].T) - np.eye(4)).max() < 0.03


@needs_node
def test_border_goes_around_the_hole():
    assert in_node("hole_painter", "outline([4], [3, 3])") == "M1 1h1M1 2h1M1 1v1M2 1v1"
    # The lower half of 4 rows and 6 columns: its upper and lower side, and its left and right one.
    path = in_node("hole_painter", f"outline({list(range(12, 24))}, [4, 6])")
    sides = {f"{x} {y}h1" for x in range(6) for y in (2, 4)}
    sides |= {f"{x} {y}v1" for x in (0, 6) for y in (2, 3)}
    assert sorted(path.split("M")[1:]) == sorted(sides)
    assert in_node("hole_painter", "outline([], [4, 6])") == ""
    # Of two pixels that touch across the end of a row, each has a border of its own.
    assert in_node("hole_painter", "outline([5, 6], [4, 6])").count("M") == 8


@needs_node
def test_a_quick_stroke_leaves_no_gap():
    for ends in ([[0, 0], [7, 3]], [[2, 7], [1, 0]], [[4, 4], [4, 4]], [[7, 7], [0, 0]]):
        places = in_node("hole_painter", f"between(...{ends})")
        assert [places[0], places[-1]] == ends
        steps = np.abs(np.diff(places, axis=0))
        assert steps.max(initial=0) <= 1
