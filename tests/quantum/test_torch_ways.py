"""The ways in which torch is used: dtypes, autocast, transforms, compiling, copies, seeds."""

import copy
import pickle

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import func, nn

from vqvae_lib import Circuit, QuantumLayer
from vqvae_lib.quantum import PennyLane, StateVectorSimulator
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace

CIRCUIT = Circuit(2, mirror=True)

# Every variant of a backend, by its arguments.
VARIANTS = {
    "auto": {},
    "statevector": {},
    "compiled": {},
    "light_cone": {},
    "light_cone plain": {"compiled": False},
    "pennylane": {},
    "pennylane lightning": {"device": "lightning.qubit"},
    "pennylane shots": {"shots": 20, "seed": 5},
}
# Those that torch alone differentiates.
IN_TORCH = ("auto", "statevector", "light_cone", "light_cone plain", "pennylane")


def make_layer(variant="statevector", circuit=CIRCUIT, **options):
    generator = torch.Generator().manual_seed(0)
    name = variant.split()[0]
    options = VARIANTS[variant] | options
    return QuantumLayer(circuit, init="random", backend=name, generator=generator, **options)


def draw_z(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.fixture(params=VARIANTS)
def layer(request):
    return make_layer(request.param)


@pytest.fixture(params=IN_TORCH)
def torch_layer(request):
    return make_layer(request.param)


def features_of(layer, z):
    """Features from the first draws on, where there are any."""
    layer.manual_seed(3)
    return layer(z)


# ------------------------------------------------------------------------------- conversions


@pytest.mark.parametrize(
    "convert",
    [
        torch.Tensor.double,
        torch.Tensor.numpy,
        lambda z: z.double().numpy(),
        lambda z: np.flip(z.numpy()[:, ::-1].copy(), 1),
        lambda z: nn.Parameter(z.clone()),
    ],
    ids=["float64", "numpy", "numpy float64", "strided numpy", "parameter"],
)
def test_what_says_the_same_gives_the_same(layer, convert):
    z = draw_z(3, 4)
    assert torch.equal(features_of(layer, convert(z)), features_of(layer, z))


def test_whole_numbers_are_numbers(layer):
    z = draw_z(3, 4).mul(3).round()
    assert torch.equal(features_of(layer, z.long()), features_of(layer, z))
    assert torch.equal(features_of(layer, z.numpy().astype("int16")), features_of(layer, z))


def test_half_precision_z_and_gradients_of_another_precision(layer):
    z = draw_z(3, 4).bfloat16()
    features = features_of(layer, z)
    assert features.dtype == torch.float32
    assert torch.equal(features, features_of(layer, z.float()))
    z = draw_z(3, 4, dtype=torch.float64).requires_grad_()
    layer(z).sum().backward()
    assert z.grad.dtype == torch.float64
    assert layer.weights.grad.dtype == torch.float32


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_weights_compute_in_float32(layer, half):
    layer.to(half)
    z = draw_z(3, 4).to(half)
    features = features_of(layer, z)
    assert features.dtype == half
    exact = make_layer()
    with torch.no_grad():
        exact.weights.copy_(layer.weights)
    if not getattr(layer.backend, "shots", None):
        difference = (features.float() - exact(z.float())).abs().max()
        assert difference <= torch.finfo(half).eps / 2  # of rounding the result
    features.float().sum().backward()
    assert layer.weights.grad.dtype == half
    assert layer.weights.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_reach_the_circuit(layer, dtype):
    model = nn.Sequential(nn.Linear(3, 4), layer)
    x = draw_z(5, 3)
    with torch.autocast("cpu", dtype):
        z = model[0](x)
        assert z.dtype == dtype
        features = features_of(layer, z)
        assert torch.is_autocast_enabled("cpu")
    assert features.dtype == torch.float32
    assert torch.equal(features, features_of(layer, z.float()))
    features.sum().backward()
    assert model[0].weight.grad.abs().max() > 0


class Multiplies:
    """A backend of a user's that autocast would round."""

    circuit, name = CIRCUIT, "multiplies"

    def __call__(self, z, weights):
        return z @ weights[0, :1, :1].expand(4, 4)


def test_autocast_does_not_reach_a_users_backend():
    layer = QuantumLayer(CIRCUIT, init="random", backend=Multiplies())
    z = draw_z(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        features = layer(z)
    assert torch.equal(features, Multiplies()(z, layer.weights))


def test_complex_weights_are_refused():
    layer = make_layer()
    layer.weights = nn.Parameter(layer.weights.detach() + 0j)
    with pytest.raises(TypeError, match=r"weights has dtype torch.complex64: expected torch.flo"):
        layer(draw_z(3, 4))


def test_nan_and_inf_come_out_as_nan(layer):
    z = draw_z(3, 4)
    z[1, 2], z[2, 0] = float("nan"), float("inf")
    features = features_of(layer, z) if "shots" not in str(layer) else layer.to_backend("auto")(z)
    assert features[0].isfinite().all()
    assert features[1].isnan().any()
    assert features[2].isnan().any()


# ------------------------------------------------------------------------------- transforms


def test_jacobians_are_those_of_autograd(torch_layer):
    z, weights = draw_z(3, 4), torch_layer.weights.detach()

    def features(weights, z):
        return func.functional_call(torch_layer, {"weights": weights}, (z,))

    wanted = torch.autograd.functional.jacobian(
        lambda w: StateVectorSimulator(CIRCUIT)(z, w), weights
    )
    for jacobian in (func.jacrev(features)(weights, z), func.jacfwd(features)(weights, z)):
        assert (jacobian - wanted).abs().max() < 1e-5
    tangent = torch.ones_like(weights)
    _, along = func.jvp(lambda w: features(w, z), (weights,), (tangent,))
    assert (along - (wanted * tangent).sum((-3, -2, -1))).abs().max() < 1e-5


def test_gradients_of_each_sample(torch_layer):
    z, weights = draw_z(5, 4), torch_layer.weights.detach()

    def loss(weights, row):
        features = func.functional_call(torch_layer, {"weights": weights}, (row[None],))
        return features.square().sum()

    each = func.vmap(func.grad(loss), (None, 0))(weights, z)
    for row, gradient in zip(z, each, strict=True):
        own = weights.clone().requires_grad_()
        loss(own, row).backward()
        assert (gradient - own.grad).abs().max() < 1e-5


def test_vmap_over_rows_and_over_weights(torch_layer):
    z, weights = draw_z(3, 4), draw_z(6, *CIRCUIT.weight_shape)
    exact = StateVectorSimulator(CIRCUIT)
    rows = func.vmap(torch_layer)(z)  # each without the axis of the batch
    assert (rows - exact(z, torch_layer.weights)).abs().max() < 1e-5
    models = func.vmap(lambda w: func.functional_call(torch_layer, {"weights": w}, (z,)))(weights)
    wanted = torch.stack([exact(z, w) for w in weights])
    assert (models - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("variant", ["pennylane lightning", "pennylane shots"])
def test_what_is_differentiated_outside_torch_says_so(variant):
    layer = make_layer(variant)
    with pytest.raises(TypeError, match=r"outside torch: use layer.to_backend\('statevector'\)"):
        func.vmap(layer)(draw_z(3, 4))


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v not in ("compiled", "auto")])
def test_torch_compile_runs_it(variant):
    """Into a graph, or around a break in it; without an error in either case."""
    layer = make_layer(variant, Circuit(1, embedding="RY"))
    model = nn.Sequential(nn.Linear(2, 1), layer, nn.Linear(2, 1))
    x = draw_z(3, 2)
    layer.manual_seed(3)
    wanted = model(x)
    gradient = torch.autograd.grad(wanted.sum(), layer.weights)[0]
    torch._dynamo.reset()
    layer.manual_seed(3)
    got = torch.compile(model, backend="eager")(x)
    assert (got - wanted).abs().max() < 1e-6
    assert (torch.autograd.grad(got.sum(), layer.weights)[0] - gradient).abs().max() < 1e-6


# ------------------------------------------------------------------------------- copies


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_model_shares_weights_where_the_model_does(layer, twin):
    model = nn.ModuleList([layer, layer.to_backend("statevector")])
    other = twin(model)
    assert other[0].weights is other[1].weights
    assert other[0].weights is not layer.weights
    z = draw_z(3, 4)
    assert torch.equal(features_of(other[0], z), features_of(layer, z))


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_parts(twin):
    layer = make_layer()
    z = draw_z(3, 4)
    encoder, space, decoder = twin(
        [kind(layer) for kind in (QuantumEncoder, QuantumSpace, QuantumDecoder)]
    )
    assert encoder.layer is decoder.layer
    assert torch.equal(decoder(space(encoder(z))), layer(z))


def test_twins_share_weights_and_nothing_else(layer):
    twin = layer.to_backend("statevector")
    twin.eval()
    assert layer.training
    seen = []
    twin.register_forward_hook(lambda *_: seen.append("twin"))
    twin.register_buffer("own", torch.zeros(1))
    layer(draw_z(3, 4))
    assert not seen
    assert "own" not in dict(layer.named_buffers())
    assert twin.weights is layer.weights


def test_parts_take_what_the_layer_takes():
    layer = make_layer()
    z = draw_z(3, 4, dtype=torch.float64)
    encoder, space, decoder = QuantumEncoder(layer), QuantumSpace(layer), QuantumDecoder(layer)
    wanted = decoder(space(encoder(z.float())))
    assert torch.equal(decoder(space(encoder(z))), wanted)
    assert torch.equal(decoder(space(encoder(z.numpy()).detach().numpy())), wanted)
    assert decoder(space(encoder(z).detach().to(torch.complex128))).dtype == torch.float64
    layer.bfloat16()
    assert decoder(space(encoder(z))).dtype == torch.float32


# ------------------------------------------------------------------------------- draws


def test_two_runs_of_the_same_call_have_the_same_bits(layer):
    z = draw_z(1 if layer.backend.name == "pennylane" else 67, 4)

    def run():
        generator = torch.Generator().manual_seed(0)
        again = copy.deepcopy(layer)
        with torch.no_grad():
            again.weights.copy_(torch.randn(CIRCUIT.weight_shape, generator=generator))
        again.manual_seed(7)
        features = again(z)
        features.square().sum().backward()
        return features.detach(), again.weights.grad

    first = run()
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    for _ in range(3):
        for once, again in zip(first, run(), strict=True):
            assert torch.equal(once, again)


@pytest.mark.parametrize("device", ["default.qubit", "default.mixed", "lightning.qubit"])
def test_a_seed_restarts_the_draws_of_a_device(device):
    layer = QuantumLayer(CIRCUIT, init="random", backend="pennylane", device=device, shots=50)
    z = draw_z(3, 4)

    def run(seed):
        layer.manual_seed(seed)
        return torch.stack([layer(z), layer(z)]).detach()

    first = run(11)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(run(11), first)
    assert not torch.equal(run(12), first)
    assert torch.equal(run(11), first)
    assert layer.backend.seed == 0  # the settings stay, and a copy begins with them
    assert torch.equal(
        copy.deepcopy(layer)(z), layer.to_backend("pennylane", device=device, shots=50)(z)
    )


def test_a_seed_is_a_seed_and_reaches_only_what_is_the_layers_own():
    for variant in VARIANTS:
        make_layer(variant).manual_seed(0)
        with pytest.raises(ValueError, match=r"seed=-1: expected a whole number"):
            make_layer(variant).manual_seed(-1)
    device = qml.device("default.qubit", wires=2, seed=4)
    ready = PennyLane(CIRCUIT, device, shots=50, seed=0)
    z, weights = draw_z(3, 4), draw_z(*CIRCUIT.weight_shape)
    first = ready(z, weights)
    ready.manual_seed(4)
    assert not torch.equal(ready(z, weights), first)  # goes on where it was
    assert ready._qnode.device is device
