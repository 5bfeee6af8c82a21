"""The interactive figures, seen from Python. What the browser does with them: tests/browser."""

import base64
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets
from scipy.integrate import quad
from torch import nn
from torch.distributions import Normal, kl_divergence

import vqvae_lib as vq
from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course import widgets
from vqvae_lib.course.plotting import COLOURS
from vqvae_lib.course.widgets import (
    BetaSlider,
    GaussianKL,
    LatentPlane,
    LatentPlanes,
    Workbench,
    base,
    beta_slider,
    gaussian_kl,
    latent_plane,
)

sys.path.append(str(Path(__file__).resolve().parents[2] / "book" / "_ext"))

import vq_widgets


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vq.mlp_autoencoder(64, 32, 2, activation="silu")


def plane(model, n=40, **changes):
    generator = torch.Generator().manual_seed(0)
    settings = {
        "decoder": model.decoder,
        "codes": torch.randn(n, 2, generator=generator),
        "labels": torch.arange(n) % 10,
        "image_shape": (8, 8),
        "alt": "A plane with numerals.",
    } | changes
    return LatentPlane(
        settings.pop("decoder"), settings.pop("codes"), settings.pop("labels"), **settings
    )


def test_html_carries_the_whole_state_and_a_fallback(model):
    widget = plane(model)
    bundle, _metadata = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 'class="vq-widget" data-vq-widget="latent_plane"' in bundle["text/html"]
    assert bundle["text/html"].endswith(">A plane with numerals.</div>")
    state = state_in_html(widget)
    assert set(state) == {"alt", "codes", "extent", "image_shape", "layers", "words", "z"}


def test_decoder_in_the_state_is_the_decoder(model):
    """Decode in NumPy from the state alone, and compare with torch on the rounded weights."""
    state = state_in_html(plane(model))
    z = np.array([0.3, -1.2])
    value = z
    for layer in state["layers"]:
        weight = np.frombuffer(base64.b64decode(layer["weight"]), "<f2").astype(float)
        bias = np.frombuffer(base64.b64decode(layer["bias"]), "<f2").astype(float)
        value = weight.reshape(layer["shape"]) @ value + bias
        if layer["activation"] == "silu":
            value = value / (1 + np.exp(-value))
    rounded = model.decoder.half().double()
    with torch.no_grad():
        expected = rounded(torch.tensor(z)[None])[0].numpy()
    np.testing.assert_allclose(value, expected, atol=1e-12)


def test_shared_activations_and_the_default_are_run(model):
    act = nn.SiLU()
    shared = nn.Sequential(nn.Linear(2, 8), act, nn.Sequential(nn.Linear(8, 64), act))
    state = state_in_html(plane(model, decoder=shared))
    assert [layer["activation"] for layer in state["layers"]] == ["silu", "silu"]
    state = state_in_html(plane(vq.mlp_autoencoder(64, 16, 2)))
    assert [layer["activation"] for layer in state["layers"]] == ["gelu", "none"]


def test_state_stays_small(model):
    big = vq.mlp_autoencoder(64, 64, 2, activation="silu")
    bundle, _ = plane(big, n=5000)._repr_mimebundle_()
    assert len(bundle["text/html"]) < 60_000


def test_repr_is_the_same_in_every_run(model):
    assert repr(plane(model)) == "LatentPlane(image_shape=[8, 8])"


def test_chosen_point_lies_inside_the_plane(model):
    widget = plane(model)
    low1, high1, low2, high2 = widget.extent
    assert low1 < widget.z[0] < high1
    assert low2 < widget.z[1] < high2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codes": torch.zeros(40, 3)}, r"codes, labels: expected shapes .* got \(40, 3\)"),
        ({"labels": torch.zeros(39)}, r"codes, labels: .* \(39,\)"),
        ({"image_shape": (28, 28)}, "expected 2 inputs and 28·28 outputs, got 2 and 64"),
        ({"decoder": nn.Sequential(nn.Linear(3, 64))}, "got 3 and 64"),
        ({"decoder": nn.Sequential(nn.Linear(2, 64), nn.Dropout())}, "cannot run Dropout"),
        ({"decoder": nn.Sequential()}, "at least one Linear layer"),
        (
            {"decoder": nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Sigmoid())},
            "cannot run Sigmoid",
        ),
        ({"decoder": nn.Sequential(nn.Linear(2, 64, bias=False))}, "with a bias"),
    ],
)
def test_what_does_not_fit_is_named(model, changes, said):
    with pytest.raises(ValueError, match=said):
        plane(model, **changes)


def test_weights_too_large_for_float16_are_refused():
    layer = nn.Linear(2, 64)
    nn.init.constant_(layer.weight, 1e6)
    with pytest.raises(ValueError, match="not finite in float16"):
        plane(vq.mlp_autoencoder(64, 8, 2), decoder=nn.Sequential(layer))


# What all figures share --------------------------------------------------------------------------


def test_book_and_jupyterlab_load_the_same_text(model):
    modules = vq_widgets.sources()
    kinds = [kind for kind in vars(widgets).values() if isinstance(kind, type)]
    named = {kind.module for kind in kinds if "module" in vars(kind)}
    assert set(modules) == named
    for widget in (plane(model), planes(model), kl(), betas()):
        assert widget._esm == modules[widget.module]
        assert widget._esm.startswith((base.HERE / "shared.js").read_text("utf-8"))


def test_a_module_stands_behind_the_parts_that_it_needs():
    def text(name):
        return (base.HERE / f"{name}.js").read_text("utf-8")

    assert base.source("beta_slider") == text("shared") + text("beta_slider")
    parts = ["shared", "network", "plane", "latent_plane"]
    assert base.source("latent_plane") == "".join(map(text, parts))


@needs_node
@pytest.mark.parametrize("module", sorted(vq_widgets.sources()))
def test_modules_are_whole_behind_the_shared_text(module):
    """They parse, and nothing is defined twice."""
    assert in_node(module, "typeof render") == "function"


def test_palette_is_that_of_the_printed_figures():
    shared = (base.HERE / "shared.js").read_text("utf-8")
    found = re.findall(r'^  (\w+): \["(#\w{6})", "(#\w{6})"\],$', shared, re.M)
    assert {name: (light, dark) for name, light, dark in found} == COLOURS


@needs_node
def test_ticks_are_round_and_lie_inside():
    assert in_node("gaussian_kl", "ticks(-6, 6, 6)") == [-6, -4, -2, 0, 2, 4, 6]
    assert in_node("gaussian_kl", "ticks(0, 0.39894, 3)") == pytest.approx([0, 0.2])
    assert in_node("gaussian_kl", "ticks(101, 149, 3)") == [120, 140]
    for low, high, count in [(0, 3.989, 3), (-0.17, 2.2, 4), (1e-3, 1e-2, 3), (-500, 1e4, 5)]:
        found = in_node("gaussian_kl", f"ticks({low}, {high}, {count})")
        assert 1 <= len(found) <= count + 1
        assert low <= found[0]
        assert found[-1] <= high


@needs_node
def test_numbers_are_written_with_a_true_minus():
    said = "[fixed(-1.234, 2), fixed(-0.0001, 2), fixed(0.5, 2), short(-12.3456), short(1000)]"
    assert in_node("gaussian_kl", said) == ["−1.23", "0.00", "0.50", "−12.35", "1000"]


@pytest.mark.parametrize(
    ("module", "computed"),
    [
        (beta_slider, set()),
        # words[direction] and words[`${direction}Curve`]
        (gaussian_kl, {"forward", "reverse", "forwardCurve", "reverseCurve"}),
        (latent_plane, set()),
    ],
)
def test_every_text_comes_from_the_catalogue_and_is_used(module, computed, monkeypatch):
    assert_words_are_used(module, monkeypatch, computed)


# The latent plane: what chapter 3 adds ------------------------------------------------------------


def test_what_follows_a_decoder_of_logits_is_in_the_state(model):
    state = state_in_html(plane(model, output_activation="sigmoid"))
    assert state["layers"][-1]["activation"] == "sigmoid"
    assert state["layers"][:-1] == state_in_html(plane(model))["layers"][:-1]


@needs_node
def test_node_decodes_logits_as_torch_does(model):
    decoder = model.decoder.half().double()  # what float16 holds exactly
    layers = plane(model, decoder=decoder, output_activation="sigmoid").layers
    points = [[0.0, 0.0], [0.3, -1.2], [-3.0, 2.5]]
    decoded = in_node(
        "latent_plane",
        f"{json.dumps(points)}.map((z) => [...decode(unpack({json.dumps(layers)}), z)])",
    )
    with torch.no_grad():
        expected = decoder(torch.tensor(points, dtype=torch.float64)).sigmoid().numpy()
    np.testing.assert_allclose(decoded, expected, atol=1e-12)


def test_prior_widens_the_plane_to_its_circles(model):
    codes = 0.1 * torch.randn(40, 2)
    low1, high1, low2, high2 = plane(model, codes=codes, prior=True).extent
    assert max(low1, low2) < -2
    assert min(high1, high2) > 2
    assert max(map(abs, plane(model, codes=codes).extent)) < 1
    assert state_in_html(plane(model, prior=True))["prior"] is True
    assert "prior" not in state_in_html(plane(model))


def test_extent_is_taken_and_the_point_stays_inside(model):
    widget = plane(model, extent=(1, 3, -5, -4))
    assert widget.extent == [1, 3, -5, -4]
    assert 1 <= widget.z[0] <= 3
    assert -5 <= widget.z[1] <= -4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output_activation": "softmax"}, "output_activation='softmax': expected one of 'none',"),
        ({"extent": (1, 1, 0, 2)}, r"extent=\[1.0, 1.0, 0.0, 2.0\]: expected \(low1"),
        ({"extent": (0, 1)}, "expected .low1, high1, low2, high2"),
        (
            {
                "decoder": nn.Sequential(nn.Linear(2, 64), nn.Sigmoid()),
                "output_activation": "sigmoid",
            },
            "the decoder ends in sigmoid already",
        ),
    ],
)
def test_what_does_not_fit_chapter_3_is_named(model, changes, said):
    with pytest.raises(ValueError, match=said):
        plane(model, **changes)


def planes(model, **changes):
    columns = {"autoencoder": plane(model, **changes), "VAE": plane(model, prior=True, **changes)}
    return LatentPlanes(columns, alt="Two planes with numerals.")


def test_planes_carry_each_plane_once(model):
    widget = planes(model, n=900)
    state = state_in_html(widget)
    assert set(state) == {"alt", "planes", "points", "words"}
    assert [part["title"] for part in state["planes"]] == ["autoencoder", "VAE"]
    single = state_in_html(plane(model, n=900))
    first, second = state["planes"]
    assert state["points"] == [single["z"], single["z"]]
    assert state["words"] == single["words"]
    assert "prior" not in first
    assert second["prior"] is True
    for part in state["planes"]:
        assert part["layers"] == single["layers"]
        assert len(part["codes"]) == 300
        assert all(code in single["codes"] for code in part["codes"])
        assert "words" not in part
        assert "z" not in part
    assert repr(widget) == "LatentPlanes(titles=['autoencoder', 'VAE'])"


def test_two_planes_stay_small():
    wide = vq.mlp_autoencoder(64, 128, 2, activation="silu")  # a decoder 2-128-64
    bundle, _ = planes(wide, n=1500)._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 60_000


def test_what_is_no_plane_is_named(model):
    with pytest.raises(ValueError, match="at least one, got none"):
        LatentPlanes({}, alt="Nothing at all.")
    with pytest.raises(TypeError, match=r"planes\['VAE'\]: expected a LatentPlane, got GaussianKL"):
        LatentPlanes({"autoencoder": plane(model), "VAE": kl()}, alt="A plane and another.")


# Two Gaussians ------------------------------------------------------------------------------------


def kl(**changes):
    return GaussianKL(**({"alt": "Two bell curves.", "mu": 1.0, "sigma": 0.5} | changes))


CASES = [(0.0, 1.0), (1.0, 0.5), (-2.3, 0.1), (3.0, 3.0), (3.0, 0.1), (-0.4, 1.7)]


def test_gaussian_kl_has_its_state_and_repr():
    widget = kl(direction="reverse")
    state = state_in_html(widget)
    assert set(state) == {"alt", "direction", "mu", "sigma", "words"}
    assert (state["mu"], state["sigma"], state["direction"]) == (1.0, 0.5, "reverse")
    assert repr(widget) == "GaussianKL(mu=1.0, sigma=0.5, direction='reverse')"
    assert repr(kl(mu=1, sigma=2)) == "GaussianKL(mu=1.0, sigma=2.0, direction='forward')"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">Two bell curves.</div>")
    assert len(bundle["text/html"]) < 5_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mu": 3.5}, "mu=3.5: expected a finite number at least -3 and at most 3"),
        ({"mu": float("nan")}, "mu=nan: expected"),
        ({"sigma": 0.0}, "sigma=0.0: expected a finite number at least 0.1 and at most 3"),
        ({"direction": "backward"}, "direction='backward': expected one of 'forward', 'reverse'"),
    ],
)
def test_what_is_no_gaussian_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        kl(**changes)


def test_gaussian_kl_stays_in_range_later():
    widget = kl()
    for name, value in (("mu", -4.0), ("sigma", 5.0), ("direction", "sideways")):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)


@needs_node
def test_browser_and_python_share_the_borders():
    assert in_node("gaussian_kl", "BORDERS") == {
        "mu": list(gaussian_kl.MU),
        "sigma": list(gaussian_kl.SIGMA),
    }


def gaussians(mu, sigma):
    parameters = torch.tensor([mu, sigma, 0.0, 1.0], dtype=torch.float64)
    return Normal(*parameters[:2]), Normal(*parameters[2:])


@needs_node
def test_closed_form_is_that_of_torch():
    found = in_node("gaussian_kl", f"{json.dumps(CASES)}.map((pair) => closedForm(...pair))")
    for (mu, sigma), exact in zip(CASES, found, strict=True):
        q, p = gaussians(mu, sigma)
        assert exact["forward"] == pytest.approx(kl_divergence(q, p).item(), abs=1e-12)
        assert exact["reverse"] == pytest.approx(kl_divergence(p, q).item(), rel=1e-12, abs=1e-12)
        assert exact["mean"] == pytest.approx(mu**2 / 2)
        assert exact["mean"] + exact["width"] == pytest.approx(exact["forward"], abs=1e-12)


@needs_node
def test_integrand_is_that_of_torch():
    z = [-5.0, -1.0, 0.0, 0.3, 2.0, 6.0]
    for mu, sigma in CASES:
        q, p = gaussians(mu, sigma)
        for direction, (a, b) in {"forward": (q, p), "reverse": (p, q)}.items():
            found = in_node(
                "gaussian_kl", f"{z}.map((z) => integrand('{direction}', {mu}, {sigma}, z))"
            )
            at = torch.tensor(z, dtype=torch.float64)
            expected = a.log_prob(at).exp() * (a.log_prob(at) - b.log_prob(at))
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-14)


@needs_node
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_area_is_the_divergence(direction):
    """Summed in the figure, against the closed form; its parts against SciPy's quadrature."""
    found = in_node(
        "gaussian_kl",
        f"{json.dumps(CASES)}.map(([mu, sigma]) => "
        f"area((z) => integrand('{direction}', mu, sigma, z)))",
    )
    for (mu, sigma), summed in zip(CASES, found, strict=True):
        q, p = gaussians(mu, sigma)
        a, b = (q, p) if direction == "forward" else (p, q)
        assert summed["total"] == pytest.approx(kl_divergence(a, b).item(), abs=1e-8)

        def curve(z, a=a, b=b):
            z = torch.as_tensor(z, dtype=torch.float64)
            return (a.log_prob(z).exp() * (a.log_prob(z) - b.log_prob(z))).numpy()

        # To three digits after the point, as they are shown: a sum has steps at a border, and a
        # kink where the curve crosses the axis.
        outside = quad(curve, 6, 30)[0] + quad(curve, -30, -6)[0]
        assert summed["outside"] == pytest.approx(outside, abs=5e-4)
        z = np.linspace(-30, 30, 24_001)
        above = np.trapezoid(np.maximum(curve(z), 0), z)
        assert summed["above"] == pytest.approx(above, abs=5e-4)
        assert summed["above"] >= 0 >= summed["below"]


# The slider of beta -------------------------------------------------------------------------------


def betas(**changes):
    generator = torch.Generator().manual_seed(0)
    settings = {
        "images": torch.rand(3, 6, 64, generator=generator),
        "betas": [0.1, 1, 10],
        "terms": {"KL (nats)": [20.123456, 9.5, 0.0], "active units": torch.tensor([8, 5, 0])},
        "image_shape": (8, 8),
        "alt": "A grid of digits.",
    } | changes
    return BetaSlider(
        settings.pop("images"), settings.pop("betas"), settings.pop("terms"), **settings
    )


def test_beta_slider_has_its_state_and_repr():
    images = torch.linspace(-0.5, 1.5, 3 * 2 * 64).reshape(3, 2, 64)
    widget = betas(images=images, chosen=2)
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "betas", "chosen", "image_shape", "pixels", "terms", "words",
    }  # fmt: skip
    shades = np.frombuffer(base64.b64decode(state["pixels"]), np.uint8).reshape(3, 2, 64)
    np.testing.assert_allclose(shades / 255, images.clamp(0, 1).numpy(), atol=0.5 / 255 + 1e-6)
    assert state["terms"] == [["KL (nats)", [20.12, 9.5, 0.0]], ["active units", [8, 5, 0]]]
    assert state["betas"] == [0.1, 1, 10]
    assert state["chosen"] == 2
    assert repr(widget) == "BetaSlider(betas=[0.1, 1.0, 10.0], image_shape=[8, 8])"


@needs_node
def test_node_unpacks_the_images():
    widget = betas()
    text = json.dumps(widget.pixels)
    found = in_node(
        "beta_slider", f"unpack({text}, 3, 64).map((images) => images.map((image) => [...image]))"
    )
    expected = (255 * torch.rand(3, 6, 64, generator=torch.Generator().manual_seed(0))).round()
    np.testing.assert_allclose(found, expected.numpy() / 255, atol=1e-6)


@needs_node
def test_grid_has_full_rows_where_it_can():
    counts = [1, 2, 6, 8, 12, 13, 16, 24, 25]
    found = in_node("beta_slider", f"{counts}.map(columnsOf)")
    assert dict(zip(counts, found, strict=True)) == {
        1: 1, 2: 2, 6: 3, 8: 4, 12: 4, 13: 4, 16: 4, 24: 6, 25: 5,
    }  # fmt: skip


def test_largest_beta_slider_stays_small():
    bundle, _ = betas(
        images=torch.rand(8, 25, 196), image_shape=(14, 14), terms={}, betas=range(1, 9)
    )._repr_mimebundle_()
    assert len(bundle["text/html"]) < 60_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": torch.rand(2, 6, 64)}, r"expected shape \(R, n, D\) with R=3 .* \(2, 6, 64\)"),
        ({"images": torch.rand(3, 64)}, r"got \(3, 64\)"),
        ({"images": torch.rand(3, 0, 64)}, r"got \(3, 0, 64\)"),
        ({"image_shape": (28, 28)}, "D=28·28 pixels, got"),
        ({"images": torch.rand(3, 400, 64)}, "3·400·64 = 76800 pixels are too many"),
        (
            {"images": torch.full((3, 6, 64), torch.nan)},
            r"images\[0, 0, 0\] is nan \(and 1151 more\): expected finite numbers",
        ),
        ({"betas": [1, 0.1, 10]}, "two or more positive, increasing numbers"),
        ({"betas": [0, 1, 10]}, "two or more positive"),
        ({"betas": [1]}, "two or more positive"),
        ({"terms": {"KL": [1, 2]}}, r"terms\['KL'\]: expected 3 finite numbers, got \[1.0, 2.0\]"),
        ({"terms": {"KL": [1, 2, float("inf")]}}, "3 finite numbers"),
        ({"chosen": 3}, "chosen=3: expected a whole number from 0 to 2"),
    ],
)
def test_what_does_not_fit_the_slider_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        betas(**changes)


# The panel that runs Python -----------------------------------------------------------------------


def test_the_panel_calls_the_function_with_what_is_chosen():
    calls = []
    panel = Workbench(lambda **chosen: calls.append(chosen), beta=[0.5, 1.0], d=[2, 8]).panel()
    beta, d, button, _shown = panel.children
    d.value = 8
    button.click()
    beta.value = 1.0
    button.click()
    assert calls == [{"beta": 0.5, "d": 8}, {"beta": 1.0, "d": 8}]
    assert not button.disabled


def test_the_panel_can_be_used_again_after_an_error():
    def fails(beta):
        raise ArithmeticError("in the learner's function")

    button = Workbench(fails, beta=[1]).panel().children[1]
    button.click()  # the error is shown below the panel
    assert not button.disabled


def test_the_panel_without_a_kernel_says_where_it_works():
    workbench = Workbench(print, beta=[1], d=[2])
    bundle = workbench._repr_mimebundle_()
    assert bundle["text/plain"] == "Workbench(beta, d)"
    assert "JupyterLab to choose beta, d" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize("choices", [{}, {"beta": []}])
def test_a_panel_without_choices_is_refused(choices):
    with pytest.raises(ValueError, match="choices: expected values for each argument"):
        Workbench(print, **choices)
