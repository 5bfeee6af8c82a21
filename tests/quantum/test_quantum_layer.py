"""The layer inside torch models: everything that a layer is expected to put up with."""

import copy
import io
import pickle
import re

import joblib
import pytest
import torch
from torch import nn

import vqvae_lib
from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import LightCone, PennyLane, StateVectorSimulator, backends
from vqvae_lib.quantum.layer import initial_weights

CIRCUIT = Circuit(4, mirror=True)
EXACT = ("auto", "statevector", "compiled", "light_cone", "pennylane")


def make_layer(backend="auto", circuit=CIRCUIT, **options):
    generator = torch.Generator().manual_seed(0)
    return QuantumLayer(circuit, backend=backend, generator=generator, **options)


@pytest.fixture(params=EXACT)
def layer(request):
    return make_layer(request.param)


@pytest.fixture
def z():
    return torch.randn(5, 8, generator=torch.Generator().manual_seed(1))


def test_it_trains_inside_a_model(layer, z):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), layer, nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    x = torch.randn(20, 3)
    losses = []
    for _step in range(30):
        loss = (model(x) - x.sum(1, keepdim=True).sin()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert [name for name, _ in layer.named_parameters()] == ["weights"]


def test_the_weights_travel(layer, z):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = make_layer(circuit=CIRCUIT, init="random")
    assert not torch.allclose(other(z), layer(z), atol=1e-3)
    other.load_state_dict(torch.load(file))
    assert torch.allclose(other(z), layer(z), atol=1e-6)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_equal_and_apart(layer, z, twin):
    other = twin(layer)
    assert torch.equal(other(z), layer(z))
    with torch.no_grad():
        other.weights.add_(1)
    assert not torch.allclose(other(z), layer(z), atol=1e-3)


def test_backends_share_the_same_parameter(layer, z):
    layer.eval()
    for name in EXACT:
        other = layer.to_backend(name)
        assert other.weights is layer.weights
        assert not other.training
        assert torch.allclose(other(z), layer(z), atol=1e-6)
    with torch.no_grad():
        layer.weights.add_(0.5)
    assert torch.allclose(other(z), layer(z), atol=1e-6)
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    layer.to_backend("statevector")
    assert torch.equal(torch.rand(3), wanted)  # no random number was drawn
    other.weights = nn.Parameter(torch.zeros_like(layer.weights))
    assert layer.weights.abs().max() > 0  # each has a table of parameters of its own
    shots = layer.to_backend("pennylane", shots=100, seed=1)
    assert 0 < (shots(z) - layer(z)).abs().max() < 0.6


def test_no_gradient_is_needed_anywhere(layer, z):
    wanted = layer(z)
    assert wanted.requires_grad
    with torch.inference_mode():
        assert torch.allclose(layer(z), wanted, atol=1e-6)
    with torch.no_grad():
        assert not layer(z).requires_grad
    layer.eval().requires_grad_(False)
    assert not layer(z).requires_grad
    # Frozen weights still hand gradients on to what comes before.
    z.requires_grad_()
    layer(z).sum().backward()
    assert z.grad.abs().max() > 0
    assert layer.weights.grad is None


@pytest.mark.parametrize("shape", [(0, 8), (1, 8), (8,), (2, 3, 8), (2, 0, 8)])
def test_any_leading_dimensions(layer, shape):
    z = torch.randn(shape, requires_grad=True)
    o = layer(z)
    assert o.shape == (*shape[:-1], 8)
    o.sum().backward()
    assert z.grad.shape == shape
    assert layer.weights.grad.shape == CIRCUIT.weight_shape
    if o.numel():
        flat = make_layer("statevector")(z.detach().reshape(-1, 8))
        assert torch.allclose(o.detach().reshape(-1, 8), flat, atol=1e-6)


def test_strides_do_not_matter(layer, z):
    wanted = layer(z)
    for other in (z.t().contiguous().t(), z.repeat_interleave(2, 1)[:, ::2], torch.cat([z, z])[5:]):
        assert torch.equal(layer(other), wanted)
    assert torch.equal(layer(z.expand(1, 5, 8))[0], wanted)
    seed = torch.randn(8, 5).t()
    (strided,) = torch.autograd.grad(wanted, layer.weights, seed, retain_graph=True)
    (plain,) = torch.autograd.grad(wanted, layer.weights, seed.contiguous())
    assert torch.equal(strided, plain)


def test_float64(layer, z):
    layer.double()
    assert layer(z.double()).dtype == torch.float64
    assert torch.equal(layer(z), layer(z.double()))  # the weights decide


class Features(torch.utils.data.Dataset):
    """Rows that a worker passes through the layer."""

    def __init__(self, layer, rows):
        self.layer, self.rows = layer, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        with torch.no_grad():
            return self.layer(self.rows[i])


def test_workers_of_a_data_loader(layer, z):
    wanted = layer(z).detach()
    loader = torch.utils.data.DataLoader(Features(layer, z), batch_size=2, num_workers=2)
    assert torch.allclose(torch.cat(list(loader)), wanted, atol=1e-6)


def test_processes_of_joblib(layer, z):
    features = joblib.Parallel(n_jobs=2)(joblib.delayed(layer)(row) for row in z.split(3))
    assert torch.allclose(torch.cat(features), layer(z), atol=1e-6)


# --------------------------------------------------------------------------- initialisations


def test_random_weights_are_uniform_angles():
    weights = initial_weights(
        Circuit(50, space_layers=20), "random", generator=torch.Generator().manual_seed(0)
    )
    assert 0 <= weights.min() < 0.02
    assert 2 * torch.pi - 0.02 < weights.max() < 2 * torch.pi
    assert abs(weights.mean() - torch.pi) < 0.15


def test_the_generator_decides():
    torch.manual_seed(7)
    first, second = make_layer().weights, make_layer().weights
    assert torch.equal(first, second)
    assert not torch.equal(first, QuantumLayer(CIRCUIT).weights)


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({"embedding": "RY+RZ"}, lambda t, u: (-t.sin(), t.cos() * u.sin())),
        ({"embedding": "RY"}, lambda t, _: (-t.sin(), t.cos())),
        ({"initial": "zero", "embedding": "RY"}, lambda t, _: (t.sin(), -t.cos())),
        ({"initial": "zero", "embedding": "RX"}, lambda t, _: (t.sin(), t * 0)),
    ],
)
@pytest.mark.parametrize("cancel", [{"mirror": True}, {"entangler": "none"}], ids=str)
def test_a_passthrough_hands_the_code_on(options, features, cancel):
    circuit = Circuit(3, angle_scale=0.7, **options, **cancel)
    layer = QuantumLayer(circuit, backend="statevector", init="passthrough")
    z = torch.randn(4, circuit.latent_dim)
    t, u = (0.7 * z.reshape(4, 3, -1)[:, :, i] for i in (0, -1))
    wanted = torch.stack(features(t, u), 2).reshape(4, 6)
    if options.get("embedding") != "RX":
        assert torch.allclose(layer(z), wanted, atol=1e-6)
    else:
        assert torch.allclose(layer(z)[:, ::2], wanted[:, ::2], atol=1e-6)


def test_a_noisy_passthrough_has_a_slope_in_every_coordinate():
    """It reads the code to first order; random weights scramble it."""
    circuit = Circuit(4, mirror=True)

    def slope(init, seed):
        generator = torch.Generator().manual_seed(seed)
        layer = QuantumLayer(circuit, backend="statevector", init=init, generator=generator)
        jacobian = torch.autograd.functional.jacobian(lambda z: layer(z[None])[0], torch.zeros(8))
        return torch.linalg.svdvals(jacobian)[-1].item()

    noisy = [slope("noisy_passthrough", seed) for seed in range(8)]
    random = [slope("random", seed) for seed in range(8)]
    assert min(noisy) > 0.3
    assert sum(random) < 0.5 * sum(noisy)


def test_the_default_is_the_noisy_passthrough_with_noise_of_a_tenth():
    circuit = Circuit(50, space_layers=49, mirror=False, entangler="none")
    seeded = torch.Generator().manual_seed(0)
    weights = QuantumLayer(circuit, generator=seeded).weights.detach()
    exact = initial_weights(circuit, "passthrough")
    assert torch.equal(exact[:-1], torch.zeros_like(exact[:-1]))
    assert torch.equal(exact[-1], torch.tensor([-torch.pi / 2, 0, 0]).expand(50, 3))
    assert (weights - exact).mean().abs() < 0.006  # five standard errors of 7500 draws
    assert abs((weights - exact).std() - 0.1) < 0.005


def test_a_circuit_without_a_passthrough_says_what_to_do():
    for scrambling in (Circuit(4), Circuit(4, reupload=True), Circuit(4, entangler="ring")):
        with pytest.raises(ValueError, match=r"Use mirror=True, .*none', or init='random'"):
            QuantumLayer(scrambling)
        assert QuantumLayer(scrambling, init="random").weights.max() > 5
    QuantumLayer(Circuit.for_latent(8, 4))  # the recommended one needs nothing


# ------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("z", "error", "told"),
    [
        (torch.zeros(2, 7), ValueError, "z has shape (2, 7): expected (..., 8)"),
        (torch.zeros(7), ValueError, "z has shape (7,): expected (..., 8)"),
        (torch.tensor(0.0), ValueError, "z has shape (): expected (..., 8)"),
        ([[0.0] * 8], TypeError, "z is a list: expected a torch.Tensor"),
        (torch.zeros(2, 8).bool(), TypeError, "z has dtype torch.bool: expected torch.float32"),
        (torch.zeros(2, 8) + 0j, TypeError, "z has dtype torch.complex64: expected"),
        (torch.zeros(2, 8, device="meta"), ValueError, "z is on meta and weights on cpu: expected"),
    ],
)
def test_bad_input_is_named(layer, z, error, told):
    with pytest.raises(error, match=re.escape(told)):
        layer(z)


def test_weights_of_another_circuit_are_named(layer, z):
    layer.weights = nn.Parameter(torch.zeros(3, 5, 3))
    told = "weights has shape (3, 5, 3): expected (3, 4, 3)"
    with pytest.raises(ValueError, match=re.escape(told)):
        layer(z)


def test_a_device_without_kernels_is_named():
    layer = make_layer("compiled").to("meta")
    with pytest.raises(ValueError, match=r"z is on meta: the compiled backend runs on the CPU"):
        layer(torch.zeros(2, 8, device="meta"))
    # The automatic choice and the light cones have plain torch for it.
    for name in ("auto", "light_cone", "statevector"):
        o = make_layer(name).to("meta")(torch.zeros(2, 8, device="meta"))
        assert o.shape == (2, 8)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"backend": "fast"}, ValueError, "backend='fast': expected one of 'auto', 'statevector'"),
        ({"backend": None}, TypeError, "backend is a NoneType: expected a name, or a backend"),
        ({"backend": lambda z, w: z}, TypeError, "backend is a function: expected a name, or a"),
        ({"backend": "auto", "shots": 5}, TypeError, "unexpected keyword argument 'shots'"),
        (
            {"backend": StateVectorSimulator(CIRCUIT), "shots": 5},
            TypeError,
            "already made takes no options: got ['shots']",
        ),
        ({"generator": 3}, TypeError, "generator is a int: expected a torch.Generator"),
        (
            {"backend": StateVectorSimulator(Circuit(4, embedding="RY"))},
            ValueError,
            "4 latent coordinates -> 8 features",
        ),
        ({"init": "zeros"}, ValueError, "init='zeros': expected one of 'random', 'passthrough'"),
        (
            {"circuit": Circuit(4), "init": "passthrough"},
            ValueError,
            "its entangling layers do not cancel",
        ),
        (
            {"circuit": Circuit(4, decoder_layers=0), "init": "noisy_passthrough"},
            ValueError,
            "it has no quantum decoder, whose Rot would come last. Use decoder_layers=1",
        ),
        (
            {"circuit": Circuit(4, initial="zero", mirror=True), "init": "passthrough"},
            ValueError,
            "the second coordinate has no slope there",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, error, told):
    with pytest.raises(error, match=re.escape(told)):
        QuantumLayer(**({"circuit": CIRCUIT} | arguments))


@pytest.mark.parametrize("name", ["auto", "statevector", "compiled"])
def test_too_many_qubits_are_told_in_gigabytes(name):
    # 2**40 amplitudes of 8 bytes.
    with pytest.raises(ValueError, match=r"n_qubits=40 needs 8,796 GB .*entangler='brickwork'"):
        QuantumLayer(Circuit(40, entangler="ring"), init="random", backend=name)
    if name != "auto":
        with pytest.raises(ValueError, match=r"backend='light_cone' computes this circuit from 8"):
            QuantumLayer(Circuit(40), init="random", backend=name)


def test_too_many_samples_are_told_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr("vqvae_lib.quantum._checks._memory_gigabytes", lambda: 0.2)
    for name in ("statevector", "compiled"):
        layer = make_layer(name, Circuit(14, entangler="ring"), init="random")
        with pytest.raises(ValueError, match="Give it fewer samples at a time"):
            layer(torch.zeros(2000, 28))


class Double:
    """A backend that meets the contract and nothing more."""

    circuit, name = CIRCUIT, "double"

    def __call__(self, z, weights):
        return 2 * z


def test_a_name_makes_the_backend_of_that_name():
    for name in EXACT:
        backend = backends.make_backend(CIRCUIT, name)
        assert isinstance(backend, backends.Backend)
        assert backend.name == name
        assert backend.circuit is CIRCUIT
    slow = backends.make_backend(CIRCUIT, "light_cone", compiled=False)
    assert isinstance(slow, LightCone)
    z = torch.zeros(1, 8, dtype=torch.float64, requires_grad=True)
    weights = initial_weights(CIRCUIT, "passthrough").double()
    assert torch.autograd.gradgradcheck(slow, (z, weights.requires_grad_()), atol=1e-6)


def test_a_backend_made_by_hand():
    layer = make_layer(PennyLane(CIRCUIT, "lightning.qubit"))
    assert "backend pennylane" in repr(layer)
    double = make_layer(Double())
    assert torch.equal(double(torch.ones(1, 8)), 2 * torch.ones(1, 8))
    assert "backend double" in repr(double)
    assert vqvae_lib.QuantumLayer is QuantumLayer
