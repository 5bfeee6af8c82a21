"""The hybrid model: its parts, its objective, its twins, other backends, and its files."""

import json
import math
from dataclasses import asdict

import numpy as np
import pennylane as qml
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

import vqvae_lib as vq
from vqvae_lib import _model_files
from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint


def model_of(**options):
    """A small model in double precision, with random angles."""
    torch.manual_seed(0)
    settings = {"init": "random", "angle_scale": 0.7} | options
    return vq.VQVAE(9, 8, 6, 3, **settings).double()


def data(rows=5, seed=1):
    return torch.rand(rows, 9, generator=torch.Generator().manual_seed(seed)).double()


# The model ----------------------------------------------------------------------------------------


def test_the_article_s_call_builds_and_every_step_has_its_shape():
    model = vq.VQVAE(input_dim=784, hidden_dim=400, latent_dim=20, n_qubits=10)
    x = torch.rand(3, 784)
    mu, log_var = model.encode(x)
    assert mu.shape == log_var.shape == (3, 20)
    state = model.quantum_encoder(mu)
    assert state.shape == (3, 1024)
    state = model.quantum_space(state)
    assert state.shape == (3, 1024)
    o = model.quantum_decoder(state)
    assert o.shape == (3, 20)
    assert model.decoder(o).shape == (3, 784)
    assert model.sample(4).shape == (4, 784)
    assert model.circuit.angle_scale == 0.3
    assert model.circuit.mirror


def test_the_parts_make_up_the_model():
    model = model_of()
    z = torch.randn(5, 6).double()
    o = model.quantum_decoder(model.quantum_space(model.quantum_encoder(z)))
    expected = model.decoder(model.bottleneck.scale * o)
    torch.testing.assert_close(model.decode(z), expected, rtol=0, atol=1e-12)


def test_near_zero_the_decoder_is_given_the_code_itself():
    """With a passthrough, features times 1/a are z up to the sign with which Z is read."""
    model = model_of(init="passthrough", angle_scale=0.3)
    z = 0.01 * torch.randn(5, 6).double()
    signs = torch.tensor([-1, 1] * 3)
    torch.testing.assert_close(model.bottleneck(z), signs * z, rtol=1e-3, atol=1e-6)


def test_its_bound_is_the_elbo_with_a_circuit_inside():
    """Against torch.distributions, with features from PennyLane."""
    model = model_of()
    x = data()
    mu, log_var = model.encode(x)
    eps = torch.randn(1, *mu.shape, generator=torch.Generator().manual_seed(5), dtype=mu.dtype)
    z = (mu + (log_var / 2).exp() * eps)[0]
    features = model.quantum_layer.to_backend("pennylane")(z)
    mean = model.decoder(model.bottleneck.scale * features)
    variance = model.likelihood.variance(mean)
    log_px = Normal(mean, variance.sqrt()).log_prob(x).sum(1)
    q = Independent(Normal(mu, (log_var / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    elbo = (log_px - kl_divergence(q, prior)).mean()
    found = model.loss(x, generator=torch.Generator().manual_seed(5))
    assert found["loss"].item() == pytest.approx(-elbo.item(), abs=1e-9)


def test_the_circuit_s_gradient_is_the_shift_rule_s():
    """Of the whole loss: for each angle, the features at plus and minus a quarter turn."""
    model = model_of()
    x, weights = data(), model.quantum_layer.weights
    generator = torch.Generator().manual_seed(3)
    model.loss(x, generator=generator)["loss"].backward()
    with torch.no_grad():
        z = vq.reparameterise(*model.encode(x), generator=generator.manual_seed(3))
        o = model.quantum_layer(z).requires_grad_()  # (B, m)
    with torch.enable_grad():
        params = model.decoder(model.bottleneck.scale * o)
        (-model.likelihood.log_prob(x, params).sum(1).mean()).backward()
    shifted = torch.zeros_like(weights)
    for place in np.ndindex(*weights.shape):
        turn = torch.zeros_like(weights)
        turn[place] = math.pi / 2
        ahead = model.quantum_layer.backend(z, (weights + turn).detach())
        behind = model.quantum_layer.backend(z, (weights - turn).detach())
        shifted[place] = (o.grad * (ahead - behind) / 2).sum()
    torch.testing.assert_close(weights.grad, shifted, rtol=0, atol=1e-9)


def test_it_learns():
    digits = vq.load_digits()
    torch.manual_seed(0)
    model = vq.VQVAE(64, 32, 8, 4)
    angles = model.quantum_layer.weights.detach().clone()
    before = model.loss(digits.x_test)["loss"].item()
    history = vq.fit(model, digits.x_train, epochs=10, lr=5e-3, progress=False)
    after = model.loss(digits.x_test)["loss"].item()
    assert after < before - 15
    assert history.train["kl"][-1] > 1  # the code is used
    moved = (model.quantum_layer.weights.detach() - angles).abs()
    assert moved.max() > 0.05  # the circuit is trained too


@pytest.mark.parametrize("image_shape", [None, (8, 8)])
@pytest.mark.parametrize("variance", ["shared", "per_dimension"])
def test_a_conditional_model_uses_its_labels(image_shape, variance):
    torch.manual_seed(0)
    model = vq.VQVAE(
        64, 16, 4, 2, condition=vq.Labels(3), likelihood=vq.Gaussian(variance),
        image_shape=image_shape,
    )  # fmt: skip
    x, y = torch.rand(6, 64), torch.tensor([0, 1, 2, 0, 1, 2])
    assert torch.isfinite(model.loss(x, y)["loss"])
    other = (y + 1) % 3
    assert not torch.allclose(model.encode(x, y).mu, model.encode(x, other).mu)
    z = torch.zeros(6, 4)
    assert not torch.allclose(model.decode(z, y), model.decode(z, other))
    assert model.sample(6, y).shape == (6, 64)
    with pytest.raises(ValueError, match="y is missing"):
        model.loss(x)


@pytest.mark.parametrize(
    ("arguments", "features"),
    [((4, 8), 8), ((4, 4), 4), ((4, 8, {"readout": "Z"}), 4), ((4, 4, {"readout": "ZX"}), 8)],
)
def test_by_default_there_are_as_many_features_as_coordinates(arguments, features):
    n, d, *options = arguments
    model = vq.VQVAE(9, 8, d, n, **(options[0] if options else {}))
    assert model.circuit.n_features == features
    assert model.decode(torch.zeros(2, d)).shape == (2, 9)


def test_entanglers_are_mirrored_where_that_is_possible():
    assert vq.VQVAE(9, 8, 4, 4).circuit.mirror
    for options in ({"space_layers": 3}, {"reupload": True}, {"mirror": False}):
        assert not vq.VQVAE(9, 8, 4, 4, init="random", **options).circuit.mirror


def test_a_circuit_without_a_passthrough_asks_for_another_start():
    with pytest.raises(ValueError, match=r"init='noisy_passthrough' does not fit .* init='random'"):
        vq.VQVAE(9, 8, 4, 4, mirror=False)


@pytest.mark.parametrize("image_shape", [None, (8, 8)])
def test_twins_begin_with_the_same_networks(image_shape):
    def build(**options):
        torch.manual_seed(7)
        return vq.VQVAE(64, 8, 4, 2, image_shape=image_shape, **options)

    def networks_of(model):
        return {
            name: tensor
            for name, tensor in model.state_dict().items()
            if name.startswith(("encoder", "decoder"))
        }

    expected = networks_of(build())
    for kind in ("separable", "frozen", "fourier", "mlp", "linear", "tanh", "none"):
        twin = networks_of(build(bottleneck=kind))
        assert twin.keys() == expected.keys()
        assert all(torch.equal(twin[name], expected[name]) for name in expected), kind
    other_m = build(readout="Z").state_dict()  # another decoder, but the same encoder
    assert all(
        torch.equal(other_m[name], tensor)
        for name, tensor in expected.items()
        if name.startswith("encoder")
    )


def test_without_a_bottleneck_it_is_the_plain_vae():
    torch.manual_seed(3)
    plain = vq.mlp_vae(9, 8, 4, vq.Gaussian())
    torch.manual_seed(3)
    twin = vq.VQVAE(9, 8, 4, 2, bottleneck="none")
    x = torch.rand(5, 9)
    losses = [
        model.loss(x, generator=torch.Generator().manual_seed(0))["loss"] for model in (plain, twin)
    ]
    assert torch.equal(*losses)


def test_a_twin_without_a_circuit_says_so():
    with pytest.raises(TypeError, match="no circuit: its bottleneck is 'mlp'"):
        _ = vq.VQVAE(9, 8, 4, 2, bottleneck="mlp").quantum_encoder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 7}, "latent_dim=7 does not fit 5 qubits: expected 5 .* or 10"),
        ({"input_dim": 0}, "input_dim=0: expected a whole number"),
        ({"image_shape": (3, 3)}, r"image_shape\[0\]=3: expected a whole number of at least 8"),
        ({"image_shape": (8, 9)}, r"image_shape=\(8, 9\) has 72 pixels: expected input_dim=9"),
        ({"bottleneck": "classical"}, "bottleneck='classical': expected one of 'quantum'"),
        ({"entangler": "star"}, "entangler='star': expected one of 'ring'"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    arguments = {"input_dim": 9, "hidden_dim": 8, "latent_dim": 5, "n_qubits": 5} | options
    with pytest.raises(ValueError, match=message):
        vq.VQVAE(**arguments)


def test_a_misspelt_option_is_named():
    with pytest.raises(TypeError, match=r"readuot: expected a setting of Circuit: \['angle_scale"):
        vq.VQVAE(9, 8, 5, 5, readuot="Z")


# Elsewhere ----------------------------------------------------------------------------------------


def test_on_another_device_it_is_the_same_model():
    model = model_of()
    x = data()
    twin = model.to_backend("pennylane", device="lightning.qubit")
    losses = [
        m.loss(x, generator=torch.Generator().manual_seed(0))["loss"].item() for m in (model, twin)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)
    assert twin.quantum_layer.weights is model.quantum_layer.weights
    assert twin.bottleneck.scale is model.bottleneck.scale
    assert model.quantum_layer.backend.name == "auto"  # itself unchanged
    assert twin.quantum_layer.backend.name == "pennylane"
    assert {id(p) for p in twin.parameters()} == {id(p) for p in model.parameters()}


def test_a_twin_has_modes_hooks_and_a_kl_weight_of_its_own():
    model = model_of(condition=vq.Labels(2))
    model.decoder.append(torch.nn.Dropout(0.5))
    twin = model.to_backend("statevector")
    twin.eval()
    assert all(part.training for part in model.modules())
    assert not any(part.training for part in twin.modules())
    twin.decoder[0].register_forward_hook(lambda *_: 1 / 0)
    x, y = data(), torch.tensor([0, 1, 1, 0, 0])
    model.loss(x, y)  # meets no hook
    with vq.KLWarmUp(model, 10) as warm_up:
        warm_up(0)
        late = model.to_backend("statevector")
        assert (model.kl_weight, twin.kl_weight, late.kl_weight) == (0.1, 1.0, 1.0)
    assert {id(t) for t in twin.state_dict(keep_vars=True).values()} == {
        id(t) for t in model.state_dict(keep_vars=True).values()
    }
    model.to(torch.float32)  # moves the weights of both
    assert twin.encode(x, y).mu.dtype == torch.float32


def test_training_a_twin_trains_both():
    model = model_of()
    twin = model.to_backend("statevector")
    vq.fit(twin, data(20), epochs=2, progress=False)
    x = data()
    torch.testing.assert_close(model.reconstruct(x), twin.reconstruct(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", ["statevector", "auto"])
def test_it_goes_through_torch_func(backend):
    """Jacobians of the decoder, by vmap over samples, against autograd's."""
    model, z = model_of(backend=backend), torch.randn(3, 6).double()
    found = torch.func.vmap(torch.func.jacrev(lambda z: model.decode(z[None])[0]))(z)
    for i in range(3):
        expected = torch.autograd.functional.jacobian(lambda z: model.decode(z[None])[0], z[i])
        torch.testing.assert_close(found[i], expected)


def test_with_the_reference_simulator_its_loss_compiles():
    model, x = model_of(backend="statevector"), data()
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: model.loss(x), backend="aot_eager")
    torch.manual_seed(1)
    expected = model.loss(x)["loss"]
    torch.manual_seed(1)
    torch.testing.assert_close(compiled(x)["loss"], expected)


def test_without_a_scale_too():
    model = model_of(scale_features=False)
    twin = model.to_backend("statevector")
    x = data()
    torch.testing.assert_close(twin.reconstruct(x), model.reconstruct(x), rtol=0, atol=1e-12)
    assert twin.bottleneck is not model.bottleneck


def test_under_shots_the_bound_is_lower_and_says_whose_it_is():
    """Against the expectation over features that are drawn as a binomial says."""
    model = model_of(likelihood=vq.Gaussian(0.01))
    x = data(3)
    shots, repeats = 50, 300
    noisy = model.to_backend("pennylane", shots=shots)
    assert "features from 50 shots: bounds are those of a model with a noisy decoder" in repr(noisy)
    assert "shots" not in repr(model)

    def bound(m):
        with torch.no_grad():
            return -np.array([
                float(m.loss(x, generator=torch.Generator().manual_seed(s))["loss"])
                for s in range(repeats)
            ])  # fmt: skip

    noisy_bounds = bound(noisy)
    assert noisy_bounds.mean() < bound(model).mean()
    expected = []
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for s in range(repeats):
            mu, log_var = model.encode(x)
            z = vq.reparameterise(mu, log_var, generator=torch.Generator().manual_seed(s))
            p = (1 + model.quantum_layer(z).numpy()) / 2
            o = torch.tensor(2 * rng.binomial(shots, p) / shots - 1)
            params = model.decoder(model.bottleneck.scale * o)
            log_px = model.likelihood.log_prob(x, params).sum(1)
            expected.append(float((log_px - vq.gaussian_kl(mu, log_var)).mean()))
    difference = noisy_bounds - np.array(expected)
    assert abs(difference.mean()) < 4 * difference.std() / repeats**0.5


def test_noise_goes_to_the_device():
    model = model_of()
    noise = qml.NoiseModel(
        {qml.noise.op_in([qml.RY, qml.Rot]): qml.noise.partial_wires(qml.DepolarizingChannel, 0.2)}
    )
    noisy = model.to_backend("pennylane", device="default.mixed", noise=noise)
    z = torch.randn(2, 6).double()
    assert noisy.quantum_layer(z).norm() < 0.7 * model.quantum_layer(z).norm()
    assert "a noisy device" in repr(noisy)


# Files --------------------------------------------------------------------------------------------

VARIANTS = [
    {},
    {"bottleneck": "fourier", "beta": 2.0},
    {"bottleneck": "none", "K": 3, "likelihood": vq.Bernoulli()},
    {
        "likelihood": vq.Binomial(16),
        "condition": vq.Labels(4),
        "entangler": "ring",
        "mirror": False,
    },
    {"condition": vq.Numbers(3)},
    {"likelihood": vq.Gaussian(0.25), "reupload": True, "scale_features": False},
    {"likelihood": vq.Gaussian(min_variance=0.5, initial_variance=0.7), "bottleneck": "frozen"},
    {"likelihood": vq.Gaussian("per_dimension", min_variance=0.01), "activation": "tanh"},
]


@pytest.mark.parametrize("options", VARIANTS)
def test_a_model_comes_back_from_its_file(options, tmp_path):
    model = model_of(**options)
    path = tmp_path / "model.safetensors"
    model.save(path)
    back = vq.VQVAE.load(path)
    assert not back.training
    assert repr(back.train()) == repr(model)
    x = (data() > 0.5).double()
    y = {"Labels": torch.tensor([0, 1, 2, 3, 0]), "Numbers": torch.ones(5, 3)}.get(
        type(model.condition).__name__
    )
    losses = [
        m.eval().loss(x, y, generator=torch.Generator().manual_seed(0))["loss"]
        for m in (model, back)
    ]
    assert torch.equal(*losses)


def test_the_order_of_a_file_s_tensors_is_nothing_to_a_model(tmp_path, monkeypatch):
    model = model_of(bottleneck="fourier")
    model.save(tmp_path / "model")
    content = _model_files.read_model(tmp_path / "model", vq.VQVAE)
    tensors = content.tensors
    for first in (True, False):  # integers first, then weights first
        ordered = sorted(tensors, key=lambda name: tensors[name].is_floating_point() == first)
        shuffled = {name: tensors[name] for name in ordered}
        monkeypatch.setattr(
            _model_files, "read_model", lambda *_, t=shuffled: content._replace(tensors=t)
        )
        assert next(vq.VQVAE.load(tmp_path / "model").parameters()).dtype == torch.float64


def test_parts_of_one_s_own_are_not_saved_as_what_they_inherit_from(tmp_path):
    class Coin(vq.Bernoulli):
        pass

    class Styles(vq.Labels):
        pass

    for name, part in (("likelihood", Coin()), ("condition", Styles(3))):
        message = f"{name} is a {type(part).__name__}, which a file cannot describe: expected one"
        with pytest.raises(TypeError, match=message):
            model_of(**{name: part}).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_reading_a_file_spends_nobody_s_random_numbers(tmp_path):
    model_of().save(tmp_path / "model")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    vq.VQVAE.load(tmp_path / "model")
    assert torch.equal(torch.rand(1), expected)


def test_a_convolutional_model_too(tmp_path):
    model = vq.VQVAE(64, 16, 4, 2, image_shape=(8, 8))
    model.save(tmp_path / "model")
    back = vq.VQVAE.load(tmp_path / "model", backend="statevector")
    x = torch.rand(3, 64)
    torch.testing.assert_close(back.reconstruct(x), model.eval().reconstruct(x), rtol=0, atol=1e-6)
    assert back.quantum_layer.backend.name == "statevector"


def test_the_file_is_no_pickle_and_says_what_it_was_made_with(tmp_path):
    path = tmp_path / "model"
    model_of().save(path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    info = json.loads(header["__metadata__"]["info"])
    assert info["versions"] == {"vqvae_lib": vq.__version__, "torch": torch.__version__}
    assert info["arguments"]["n_qubits"] == 3
    assert info["arguments"]["condition"] == {"name": "NoCondition"}


def changed(path, change):
    """The file with its description changed, and sound otherwise."""
    tensors, info = read_checkpoint(path)
    change(info, tensors)
    write_checkpoint(path, tensors, info)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, t: i.update(kind="history"), "holds 'history': expected a model written by"),
        (lambda i, t: i.pop("kind"), "holds 'a checkpoint of `fit`': expected"),
        (lambda i, t: i.update(format=9), "has format 9, made with vqvae_lib .* install a newer"),
        (lambda i, t: i["arguments"].update(hidden_dim=7), "made with vqvae_lib .* does not fit"),
        (lambda i, t: i["arguments"].update(surprise=1), "does not fit: surprise: expected a sett"),
        (lambda i, t: t.pop("bottleneck.layer.weights"), "does not fit: .*Missing key"),
    ],
)
def test_a_file_that_does_not_fit_says_why(change, message, tmp_path):
    path = tmp_path / "model"
    model_of().save(path)
    changed(path, change)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        vq.VQVAE.load(path)


def test_no_file_and_a_damaged_one(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        vq.VQVAE.load(path)
    model_of().save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="truncated or altered"):
        vq.VQVAE.load(path)


# Files of the first format ------------------------------------------------------------------------

SAMPLES = {
    "labels": (
        {"n_classes": 4, "condition_dim": None, "init": "chart"},
        {"name": "Gaussian", "variance": "learned", "min_variance": 0.01},
    ),
    "numbers": (
        {"n_classes": None, "condition_dim": 4, "init": "identity", "scale_features": False},
        {"name": "Gaussian", "variance": "heads", "min_variance": 0.01},
    ),
    "nothing": (
        {"n_classes": None, "condition_dim": None, "init": None, "bottleneck": "none"},
        {"name": "Gaussian", "variance": 0.25, "min_variance": 1e-4},
    ),
    "older": ({"n_classes": None}, {"name": "Binomial", "total_count": 16}),
}


def file_of_format_1(path, settings, likelihood):
    """Write by hand what the first edition wrote: D = 9, hidden 8, d = m = 6, n = 3."""
    width = 4 if settings["n_classes"] or settings.get("condition_dim") else 0
    outputs = 18 if likelihood.get("variance") == "heads" else 9
    shapes = {
        "encoder.trunk.0.weight": (8, 9 + width),
        "encoder.trunk.0.bias": (8,),
        "encoder.mu.0.weight": (6, 8),
        "encoder.mu.0.bias": (6,),
        "encoder.log_var.0.weight": (6, 8),
        "encoder.log_var.0.bias": (6,),
        "decoder.0.weight": (8, 6 + width),
        "decoder.0.bias": (8,),
        "decoder.2.weight": (outputs, 8),
        "decoder.2.bias": (outputs,),
    }
    settings = {
        "input_dim": 9, "hidden_dim": 8, "bottleneck": "quantum", "scale_features": True,
        "trunk": "mlp", "image_shape": None, "activation": "tanh", "beta": 1.0, "K": 1,
    } | settings  # fmt: skip
    if settings["bottleneck"] == "quantum":
        scaled = settings["scale_features"]
        shapes["bottleneck.layer.weights" if scaled else "bottleneck.weights"] = (3, 3, 3)
        shapes |= {"bottleneck.scale": (6,)} if scaled else {}
    if likelihood.get("variance") == "learned":
        shapes["likelihood.raw_log_var"] = ()
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64) / 2
        for name, shape in shapes.items()
    }
    if isinstance(likelihood.get("variance"), float):
        tensors["likelihood.fixed_variance"] = torch.tensor(0.25).double()
    settings["circuit"] = {
        "n_qubits": 3, "latent_dim": 6, "initial": "superposition", "embedding": "RY+RZ",
        "angle_scale": 0.7, "entangler": "brickwork", "gate": "CNOT", "encoder_layers": 1,
        "space_layers": 2, "decoder_layers": 1, "reupload": False, "readout": "ZX", "mirror": True,
    }  # fmt: skip
    versions = {"vqvae_lib": "0.2.0", "torch": "2.13.0"}
    info = {"kind": "VQVAE", "format": 1, "versions": versions, "settings": settings}
    write_checkpoint(path, tensors, info | {"likelihood": likelihood})
    return tensors


@pytest.mark.parametrize("sample", SAMPLES)
def test_files_of_the_first_format_are_read(sample, tmp_path):
    """The reconstruction and log p(x|z) of the model that was saved, written out."""
    settings, likelihood = SAMPLES[sample]
    t = file_of_format_1(tmp_path / "model", settings, likelihood)
    model = vq.VQVAE.load(tmp_path / "model")
    x = (16 * data()).round() / 16
    condition = y = torch.zeros(5, 0).double()
    if settings["n_classes"]:
        y = torch.tensor([0, 3, 1, 2, 3])
        condition = torch.eye(4).double()[y]
    elif settings.get("condition_dim"):
        condition = y = data(seed=4)[:, :4]

    def linear(name, rows):
        return rows @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    mu = linear("encoder.mu.0", linear("encoder.trunk.0", torch.cat([x, condition], 1)).tanh())
    o = mu
    if settings.get("bottleneck") != "none":
        layer = vq.QuantumLayer(vq.Circuit(3, angle_scale=0.7, mirror=True)).double()
        weights = t.get("bottleneck.layer.weights", t.get("bottleneck.weights"))
        o = t.get("bottleneck.scale", 1.0) * layer.backend(mu, weights)
    params = linear("decoder.2", linear("decoder.0", torch.cat([o, condition], 1)).tanh())
    mean = params[:, :9]
    if likelihood["name"] == "Binomial":
        expected = torch.distributions.Binomial(16, logits=params).log_prob(16 * x)
        mean = params.sigmoid()
    else:
        variance = {
            "labels": lambda: 0.01 + t["likelihood.raw_log_var"].exp(),
            "numbers": lambda: 0.01 + params[:, 9:].exp(),
            "nothing": lambda: torch.tensor(0.25).double(),
        }[sample]()
        expected = Normal(mean, variance.sqrt()).log_prob(x)
    y = y if model.condition.width else None
    torch.testing.assert_close(model.reconstruct(x, y), mean, rtol=0, atol=1e-12)
    log_px = model.likelihood.log_prob(x, model.decode(model.encode(x, y).mu, y))
    torch.testing.assert_close(log_px, expected, rtol=1e-10, atol=1e-10)
    log_var = linear(
        "encoder.log_var.0", linear("encoder.trunk.0", torch.cat([x, condition], 1)).tanh()
    )
    torch.testing.assert_close(model.encode(x, y).log_var, log_var, rtol=0, atol=1e-12)


def test_what_was_read_from_the_first_format_is_saved_in_the_present_one(tmp_path):
    for sample, description in SAMPLES.items():
        file_of_format_1(tmp_path / sample, *description)
        model = vq.VQVAE.load(tmp_path / sample)
        model.save(tmp_path / sample)
        _, info = read_checkpoint(tmp_path / sample)
        assert info["format"] == 2
        again = vq.VQVAE.load(tmp_path / sample)
        assert repr(again) == repr(model)
        assert asdict(again.circuit) == asdict(model.circuit)


def test_an_objective_that_is_no_longer_offered_is_refused_with_a_reason(tmp_path):
    settings, likelihood = SAMPLES["nothing"]
    file_of_format_1(tmp_path / "model", settings | {"beta": 2.0, "K": 3}, likelihood)
    with pytest.raises(ValueError, match=r"vqvae_lib 0.2.0, .*: beta=2.0 with K=3: .* beta=1, or"):
        vq.VQVAE.load(tmp_path / "model")


# Fifty qubits -------------------------------------------------------------------------------------


def test_the_article_s_fifty_qubits_are_exact():
    """R^1000 to 100 numbers to 50 qubits: two features of the middle, from their own window."""
    torch.manual_seed(0)
    model = vq.VQVAE(1000, 20, 100, 50).double()
    z = torch.randn(2, 100).double()
    features = model.quantum_layer(z)
    assert features.shape == (2, 100)
    cone = model.circuit.light_cone(25)
    assert len(cone) <= 8
    window = qml.device("default.qubit", wires=list(cone))
    weights = model.quantum_layer.weights.detach()
    inside = set(cone)

    @qml.qnode(window)
    def run(row):
        angles = model.circuit.angle_scale * row.reshape(50, 2)
        for q in cone:
            qml.Hadamard(q)
            qml.RY(angles[q, 0], q)
            qml.RZ(angles[q, 1], q)
        for operation in model.circuit.operations()[1:]:
            if hasattr(operation, "pairs"):
                for pair in operation.pairs:
                    if inside.issuperset(pair):
                        qml.CNOT(pair)
            else:
                for q in cone:
                    qml.Rot(*weights[operation.row, q], q)
        return qml.expval(qml.Z(25)), qml.expval(qml.X(25))

    expected = np.array([run(row) for row in z])
    np.testing.assert_allclose(features[:, 50:52].detach(), expected, atol=1e-9)
