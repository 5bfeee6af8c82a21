"""The circuit a second time, written down from its definition in PennyLane's gates.

It shares no line with the library: not its list of operations, not its gates.
"""

from dataclasses import fields

import pennylane as qml
import torch
from hypothesis import strategies as st

from vqvae_lib import Circuit


def brickwork(n, k):
    """The k-th sublayer: even pairs, then odd pairs, in turn."""
    return [(i, i + 1) for i in range(k % 2, n - 1, 2)]


def ring(n, r):
    """CNOTs of a StronglyEntanglingLayers of range r."""
    return [(i, (i + r) % n) for i in range(n)] if n > 1 else []


def layers(c):
    """What acts, in order: "embed", a row of weights, or a list of pairs."""
    kinds = []  # (what, for rings its range)
    for block in range(max(c.space_layers, 1)):
        if block == 0 or c.reupload:
            kinds += ["embed"] + [("entangle", 1)] * c.encoder_layers
        if c.space_layers:
            kinds += [block, ("entangle", block % max(c.n_qubits - 1, 1) + 1)]
    for block in range(c.space_layers, c.space_layers + c.decoder_layers):
        kinds += [("entangle", block % max(c.n_qubits - 1, 1) + 1), block]
    total = sum(isinstance(kind, tuple) for kind in kinds)
    spelled, made = [], []
    for kind in kinds:
        if not isinstance(kind, tuple):
            spelled.append(kind)
            continue
        if c.mirror and len(made) >= total // 2:
            pairs = made[total - 1 - len(made)][::-1]
        elif c.entangler == "brickwork":
            pairs = brickwork(c.n_qubits, len(made))
        elif c.entangler == "ring":
            pairs = ring(c.n_qubits, kind[1])
        else:
            pairs = []
        made.append(pairs)
        spelled.append(pairs)
    return spelled


def program(c, z, weights):
    """Queue the circuit's gates; z is (d,) or (B, d)."""
    n = c.n_qubits
    two_angles = c.latent_dim == 2 * n
    if c.initial == "superposition":
        for qubit in range(n):
            qml.Hadamard(qubit)
    for item in layers(c):
        if item == "embed":
            for qubit in range(n):
                if two_angles:
                    qml.RY(c.angle_scale * z[..., 2 * qubit], qubit)
                    qml.RZ(c.angle_scale * z[..., 2 * qubit + 1], qubit)
                elif c.embedding == "RX":
                    qml.RX(c.angle_scale * z[..., qubit], qubit)
                else:
                    qml.RY(c.angle_scale * z[..., qubit], qubit)
        elif isinstance(item, int):
            for qubit in range(n):
                qml.Rot(*weights[item, qubit], wires=qubit)
        else:
            for pair in item:
                (qml.CNOT if c.gate == "CNOT" else qml.CZ)(pair)
    both = c.readout == "ZX"
    return [
        qml.expval(observable(qubit))
        for qubit in range(n)
        for observable in ([qml.Z, qml.X] if both else [qml.Z])
    ]


def features(c, z, weights, device="default.qubit", **options):
    """Features (B, m)."""
    if not len(z):
        return z.new_zeros(0, c.n_features) + 0 * (z.sum() + weights.sum())
    qnode = qml.QNode(
        lambda z, weights: program(c, z, weights),
        qml.device(device, wires=c.n_qubits, **options),
        interface="torch",
    )
    return torch.stack(list(qnode(z, weights)), -1)


def with_gradients(function, z, weights, seeds):
    """Features, and the gradients of Σ seeds · features with respect to z and the weights."""
    z, weights = z.detach().requires_grad_(), weights.detach().requires_grad_()
    o = function(z, weights)
    return (o.detach(), *torch.autograd.grad((o * seeds).sum(), (z, weights)))


@st.composite
def circuits(draw, widest=10):
    """Any circuit that is not refused."""
    n = draw(st.integers(1, widest))
    initial = draw(st.sampled_from(["superposition", "zero"]))
    embeddings = ["RY", "RY+RZ"] if initial == "superposition" else ["RX", "RY", "RY+RZ"]
    encoder, space = draw(st.integers(0, 2)), draw(st.integers(0, 3))
    decoder = draw(st.integers(0 if space else 1, 2))
    reupload = bool(space) and draw(st.booleans())
    mirror = not reupload and (encoder + space + decoder) % 2 == 0 and draw(st.booleans())
    return Circuit(
        n,
        initial=initial,
        embedding=draw(st.sampled_from(embeddings)),
        angle_scale=draw(st.sampled_from([0.3, 1.0, -2.0])),
        entangler=draw(st.sampled_from(["ring", "brickwork", "none"])),
        gate=draw(st.sampled_from(["CNOT", "CZ"])),
        encoder_layers=encoder,
        space_layers=space,
        decoder_layers=decoder,
        reupload=reupload,
        readout=draw(st.sampled_from(["Z", "ZX"])),
        mirror=mirror,
    )


def problem(c, B, seed, dtype=torch.float64):
    """Latent vectors, weights and seeds of the way back; some angles are far beyond a turn."""
    g = torch.Generator().manual_seed(seed)
    z = 2 * torch.randn(B, c.latent_dim, dtype=torch.float64, generator=g)
    weights = 4 * torch.randn(c.weight_shape, dtype=torch.float64, generator=g)
    seeds = torch.randn(B, c.n_features, dtype=torch.float64, generator=g)
    return z.to(dtype), weights.to(dtype), seeds.to(dtype)


assert {f.name for f in fields(Circuit)} == {
    "n_qubits", "initial", "embedding", "angle_scale", "entangler", "gate",
    "encoder_layers", "space_layers", "decoder_layers", "reupload", "readout", "mirror",
}, "a new option of Circuit has to be drawn in `circuits`"  # fmt: skip
