"""Models in files: kept to the last bit, or refused in a sentence; and what forged files may do."""

import copy
import io
import json
import pickle
import random
import subprocess
import sys
import tracemalloc
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import vqvae_lib as vq
from vqvae_lib import bottlenecks
from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib.scaling import ImageScaling, TableScaling

X = torch.rand(5, 64, generator=torch.Generator().manual_seed(0))
Y = {
    "Labels": torch.tensor([0, 1, 2, 1, 0]),
    "Numbers": torch.rand(5, 3, generator=torch.Generator().manual_seed(1)),
    "NoCondition": None,
}
LIKELIHOODS = {
    "shared": lambda: vq.Gaussian(initial_variance=0.3),
    "per_dimension": lambda: vq.Gaussian("per_dimension", min_variance=0.01),
    "fixed": lambda: vq.Gaussian(0.5),
    "binomial": lambda: vq.Binomial(16),
    "bernoulli": vq.Bernoulli,
}


def seeded(build):
    torch.manual_seed(0)
    return build()


def conv_vae(condition=vq.NoCondition(), **options):  # noqa: B008
    trunk = vq.ConvEncoder(
        (8, 8), 16, channels=3, output_activation="tanh", condition_width=condition.width
    )
    decoder = vq.ConvDecoder(4 + condition.width, (8, 8), channels=3, activation="relu")
    encoder = vq.GaussianEncoder(trunk, 16, 4)
    return vq.VAE(encoder, decoder, vq.Gaussian(), condition=condition, **options)


def own_vae(bottleneck=None, m=4, **options):
    """Of torch's own layers, in any order."""
    trunk = nn.Sequential(
        OrderedDict(
            norm=nn.LayerNorm(64),
            wide=nn.Linear(64, 12, bias=False),
            act=nn.LeakyReLU(0.3),
            inner=nn.Sequential(nn.Linear(12, 12), nn.BatchNorm1d(12), nn.Dropout(0.2), nn.SELU()),
        )
    )
    decoder = nn.Sequential(
        nn.Linear(m, 2 * 4 * 4),
        nn.Unflatten(1, (2, 4, 4)),
        nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1),
        nn.Softplus(beta=2),
        nn.Conv2d(3, 1, (3, 3), padding="same", padding_mode="circular"),
        nn.Flatten(),
    )
    encoder = vq.GaussianEncoder(trunk, 12, 4)
    return vq.VAE(encoder, decoder, vq.Gaussian(), bottleneck, **options)


def bottleneck_of(kind, **options):
    return bottlenecks.make_bottleneck(kind, vq.Circuit.for_latent(4, 2), **options)


MODELS = {
    **{
        f"mlp, {name}": lambda make=make: vq.mlp_vae(64, 8, 3, make())
        for name, make in LIKELIHOODS.items()
    },
    "mlp, labels, tanh": lambda: vq.mlp_vae(
        64, 8, 3, vq.Gaussian(), condition=vq.Labels(3), activation="tanh"
    ),
    "mlp, numbers": lambda: vq.mlp_vae(64, 8, 3, vq.Gaussian(), condition=vq.Numbers(3)),
    "mlp, K": lambda: vq.mlp_vae(64, 8, 3, vq.Gaussian(), K=3),
    "mlp, beta": lambda: vq.mlp_vae(64, 8, 3, vq.Gaussian(), beta=np.float32(2)),
    "conv": conv_vae,
    "conv, labels": lambda: conv_vae(vq.Labels(3)),
    "own": own_vae,
    "own, double": lambda: own_vae().double(),
    **{
        f"own, {kind}": lambda kind=kind: own_vae(
            bottleneck_of(kind, **({"patches": 2} if kind == "patched" else {}))
        )
        for kind in bottlenecks.get_args(bottlenecks.Kind)
    },
    "own, unscaled": lambda: own_vae(bottleneck_of("quantum", scale_features=False)),
    "vqvae": lambda: vq.VQVAE(64, 8, 4, 2),
    "vqvae, numpy": lambda: vq.VQVAE(
        np.int64(64), 8, 4, 2, scale_features=np.True_, K=np.int64(1), beta=np.float64(2),
        image_shape=(np.int64(8), np.int32(8)), angle_scale=np.float32(0.5),
    ),
    "vqvae, labels": lambda: vq.VQVAE(64, 8, 4, 2, condition=vq.Labels(3), bottleneck="frozen"),
    "autoencoder": lambda: vq.mlp_autoencoder(64, 8, 2),
    "autoencoder, linear": lambda: vq.LinearAutoencoder(64, 2),
    "autoencoder, denoising": lambda: vq.DenoisingAutoencoder(
        vq.ConvEncoder((8, 8), 2), vq.ConvDecoder(2, (8, 8)), noise_std=0.2
    ),
    "half": lambda: vq.mlp_vae(64, 8, 3, vq.Gaussian()).to(torch.bfloat16),
}  # fmt: skip


def loss_of(model):
    x = X
    if isinstance(getattr(model, "likelihood", None), vq.Bernoulli):
        x = (X > 0.5).float()
    if isinstance(getattr(model, "likelihood", None), vq.Binomial):
        x = (16 * X).round() / 16
    y = Y[type(getattr(model, "condition", vq.NoCondition())).__name__]
    arguments = (x,) if y is None else (x, y)
    return model.loss(*arguments, generator=torch.Generator().manual_seed(3))["loss"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_the_same(name, tmp_path):
    model = seeded(MODELS[name]).eval()
    model.save(tmp_path / "model")
    back = type(model).load(tmp_path / "model")
    assert type(back) is type(model)
    assert not any(part.training for part in back.modules())
    assert repr(back) == repr(model)
    assert torch.equal(loss_of(back), loss_of(model))
    assert back.state_dict().keys() == model.state_dict().keys()
    for key, t in model.state_dict().items():
        assert back.state_dict()[key].dtype == t.dtype
        assert torch.equal(back.state_dict()[key], t)
    assert [p.requires_grad for p in back.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]
    back.save(tmp_path / "again")
    assert read_checkpoint(tmp_path / "again")[1] == read_checkpoint(tmp_path / "model")[1]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_copies_and_pickles_give_the_same_numbers(name, how):
    model = seeded(MODELS[name]).eval()
    if how == "deepcopy":
        back = copy.deepcopy(model)
    elif how == "pickle":
        back = pickle.loads(pickle.dumps(model))
    else:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        back = torch.load(file, weights_only=False)
    assert torch.equal(loss_of(back), loss_of(model))
    with torch.no_grad():
        for p in back.parameters():
            p.zero_()
    assert any(p.abs().sum() > 0 for p in model.parameters())


def test_a_loaded_model_is_trained_like_the_one_that_was_saved(tmp_path):
    model = seeded(lambda: vq.VQVAE(64, 8, 4, 2, bottleneck="fourier"))
    model.save(tmp_path / "model")
    back = vq.VQVAE.load(tmp_path / "model").train()
    for m in (model, back):
        vq.fit(m, X, epochs=2, batch_size=2, progress=False)
    assert torch.equal(loss_of(back), loss_of(model))


def test_what_is_frozen_stays_frozen(tmp_path):
    model = seeded(lambda: vq.mlp_vae(64, 8, 3, vq.Gaussian()))
    model.encoder.requires_grad_(False)
    model.save(tmp_path / "model")
    back = vq.VAE.load(tmp_path / "model")
    trained = [name for name, p in back.named_parameters() if p.requires_grad]
    assert trained == [name for name, p in model.named_parameters() if p.requires_grad]
    assert not any(name.startswith("encoder") for name in trained)


def test_a_class_loads_its_own_files_and_those_of_its_subclasses(tmp_path):
    vq.VQVAE(64, 8, 4, 2).save(tmp_path / "hybrid")
    vq.mlp_vae(64, 8, 4, vq.Gaussian()).save(tmp_path / "plain")
    vq.LinearAutoencoder(64, 4).save(tmp_path / "linear")
    assert type(vq.VAE.load(tmp_path / "hybrid")) is vq.VQVAE
    assert type(vq.Autoencoder.load(tmp_path / "linear")) is vq.LinearAutoencoder
    with pytest.raises(ValueError, match=r"holds 'VAE': expected a model written by VQVAE.save"):
        vq.VQVAE.load(tmp_path / "plain")
    with pytest.raises(ValueError, match=r"holds 'VQVAE': expected a model .* Autoencoder.save"):
        vq.Autoencoder.load(tmp_path / "hybrid")


def test_the_backend_is_chosen_when_a_model_is_loaded(tmp_path):
    own_vae(bottleneck_of("patched", patches=2)).save(tmp_path / "model")
    back = vq.VAE.load(tmp_path / "model", backend="statevector")
    assert [layer.backend.name for layer in back.bottleneck.layer.layers] == ["statevector"] * 2


# Altered models -----------------------------------------------------------------------------------


class LoRA(nn.Module):
    """A layer with a low-rank correction, as many libraries wrap one."""

    def __init__(self, layer, rank=2):
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, layer.in_features))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x):
        return self.layer(x) + x @ self.down.T @ self.up.T


def with_lora(model):
    model.encoder.trunk[0] = LoRA(model.encoder.trunk[0])
    model.decoder[0] = LoRA(model.decoder[0])
    return model


def pruned(model):
    prune.l1_unstructured(model.decoder[0], "weight", amount=0.5)
    return model


def quantised(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces a successor
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def changed(change):
    def alter(model):
        change(model)
        return model

    return alter


def _tie(model):
    model.encoder.log_var.weight = model.encoder.mu.weight


def _narrow(model):
    model.decoder[0].weight = nn.Parameter(torch.zeros(5, 4))


def _sparse(model):
    model.decoder[0].weight = nn.Parameter(model.decoder[0].weight.detach().to_sparse())


ALTERED = {
    "exchanged": (changed(lambda m: setattr(m, "decoder", vq.ConvDecoder(4, (8, 8)))), "decoder"),
    "exchanged activation": (
        changed(lambda m: m.decoder.__setitem__(1, nn.ReLU())),
        r"decoder.1 is a ReLU: expected a GELU",
    ),
    "one layer more": (changed(lambda m: m.decoder.append(nn.Tanh())), r"decoder.3, a Tanh, was"),
    "one layer less": (changed(lambda m: m.decoder.__delitem__(2)), r"decoder.2 is missing"),
    "a part of one's own": (
        changed(lambda m: setattr(m, "extra", nn.Linear(2, 2))), "extra, a Linear, was added",
    ),
    "pruned": (pruned, r"decoder.0 is changed by a hook \(L1Unstructured\)"),
    "lora": (with_lora, r"encoder.trunk.0 is a LoRA: expected a Linear"),
    "weight norm": (
        changed(lambda m: parametrizations.weight_norm(m.decoder[0])),
        r"decoder.0 is a ParametrizedLinear: expected a Linear",
    ),
    "spectral norm": (
        changed(lambda m: torch.nn.utils.spectral_norm(m.decoder[0])), r"decoder.0 .*hook"
    ),
    "quantised": (quantised, r"encoder.trunk.0 is a torch.ao.*Linear: expected a torch.nn."),
    "a hook": (
        changed(lambda m: m.decoder[0].register_forward_hook(lambda *a: a[2] * 2)),
        r"decoder.0 is changed by a hook \(.*lambda",
    ),
    "a method of its own": (
        changed(lambda m: setattr(m, "loss", lambda x, generator: None)), "has a loss of its own",
    ),
    "a setting": (
        changed(lambda m: setattr(m.decoder[1], "approximate", "tanh")), "approximate='tanh'"
    ),
    "another scale of angles": (
        changed(lambda m: setattr(m.quantum_layer, "circuit", vq.Circuit(2, angle_scale=2.0))),
        "circuit=",
    ),
    "tied weights": (changed(_tie), "encoder.log_var.weight and encoder.mu.weight are one"),
    "another shape": (changed(_narrow), r"decoder.0.weight has shape \(5, 4\): expected \(8, 4\)"),
    "sparse": (changed(_sparse), "decoder.0.weight is sparse"),
    "a buffer of its own": (
        changed(lambda m: m.register_buffer("mean", torch.zeros(3))), "mean is a tensor that was",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_model_is_never_saved_as_another(name, tmp_path):
    alter, message = ALTERED[name]
    model = alter(seeded(lambda: vq.VQVAE(64, 8, 4, 2)))
    with pytest.raises(ValueError, match="this model was altered, which") as raised:
        model.save(tmp_path / "model")
    assert raised.match(message)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["pruned", "weight norm", "quantised", "a hook", "tied weights"])
def test_nor_is_a_vae(name, tmp_path):
    model = ALTERED[name][0](seeded(lambda: vq.mlp_vae(64, 8, 4, vq.Gaussian())))
    with pytest.raises((ValueError, TypeError), match=r"was altered, which|cannot describe"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_layers_that_torch_has_too_are_kept_where_the_description_holds_them(tmp_path):
    model = seeded(lambda: vq.mlp_vae(64, 8, 4, vq.Gaussian()))
    model.decoder[1] = nn.ReLU()
    model.decoder.append(nn.Sigmoid())
    model.save(tmp_path / "model")
    assert torch.equal(loss_of(vq.VAE.load(tmp_path / "model")), loss_of(model.eval()))


def test_a_part_without_words_is_named_with_its_place(tmp_path):
    model = with_lora(vq.mlp_vae(64, 8, 4, vq.Gaussian()))
    message = r"encoder.trunk.layers.0 is a LoRA, which a file cannot describe: expected one"
    with pytest.raises(TypeError, match=message):
        model.save(tmp_path / "model")

    class Mine(vq.VAE):
        pass

    mine = Mine(vq.GaussianEncoder(vq.mlp([64, 8]), 8, 2), vq.mlp([2, 64]), vq.Gaussian())
    with pytest.raises(TypeError, match="this model is a Mine, which a file cannot describe"):
        mine.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_pruning_that_was_made_permanent_is_kept(tmp_path):
    model = pruned(seeded(lambda: vq.VQVAE(64, 8, 4, 2)))
    prune.remove(model.decoder[0], "weight")
    model.save(tmp_path / "model")
    back = vq.VQVAE.load(tmp_path / "model")
    assert (back.decoder[0].weight == 0).sum() >= 16
    assert torch.equal(loss_of(back), loss_of(model.eval()))


def test_what_a_training_leaves_on_a_model_does_not_keep_it_from_being_saved(tmp_path):
    model = vq.mlp_vae(64, 8, 4, vq.Gaussian())
    model.note = "mine"
    vq.fit(model, X, epochs=1, before_epoch=vq.KLWarmUp(model, 3), progress=False)
    model.kl_weight = 0.5
    model.save(tmp_path / "model")
    assert vq.VAE.load(tmp_path / "model").kl_weight == 1.0


@pytest.mark.parametrize("alter", [with_lora, pruned, quantised])
@pytest.mark.parametrize("build", [
    lambda: vq.mlp_vae(64, 8, 4, vq.Gaussian()), lambda: vq.VQVAE(64, 8, 4, 2)
])  # fmt: skip
def test_wrapped_and_quantised_layers_are_used_like_any_other(alter, build):
    model = seeded(build).eval()
    plain = loss_of(model)
    altered = alter(model)
    assert torch.isfinite(loss_of(altered))
    if alter is with_lora:
        assert torch.equal(loss_of(altered), plain)  # its correction begins at 0
        altered.loss(X)["loss"].backward()
        assert altered.decoder[0].up.grad.abs().sum() > 0
    assert altered.reconstruct(X.double()).shape == (5, 64)
    assert altered.sample(3).shape == (3, 64)
    assert altered.encode(X.numpy()).mu.shape == (5, 4)


# Scaling ------------------------------------------------------------------------------------------

SCALING = TableScaling((10.0, -3.0, 0.5), (2.0, 1.0, 1e-3), ("height", "weight", "ratio"))


def test_a_saved_model_is_used_on_raw_rows_in_another_process(tmp_path):
    raw = torch.randn(20, 3, dtype=torch.float64) * torch.tensor([2.0, 1.0, 1e-3]) + 7
    scaling = TableScaling.measure(raw, ["height", "weight", "ratio"])
    model = seeded(lambda: vq.mlp_vae(3, 8, 2, vq.Gaussian()))
    vq.fit(model, scaling.transform(raw), epochs=2, progress=False)
    model.save(tmp_path / "model", scaling=scaling)
    np.save(tmp_path / "raw.npy", raw.numpy())
    program = """
import sys, numpy as np, torch, vqvae_lib as vq
model = vq.VAE.load(sys.argv[1] + "/model")
x = model.scaling.transform(np.load(sys.argv[1] + "/raw.npy"))
samples = model.scaling.inverse(model.sample(4, generator=torch.Generator().manual_seed(0)))
torch.save((model.encode(x).mu.detach(), samples, model.scaling.columns), sys.argv[1] + "/out")
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=".")
    codes, samples, columns = torch.load(tmp_path / "out", weights_only=True)
    assert columns == ("height", "weight", "ratio")
    model.eval()
    x = ((raw - raw.mean(0)) / raw.std(0, correction=0)).float()
    torch.testing.assert_close(codes, model.encode(x).mu.detach(), rtol=1e-5, atol=1e-6)
    expected = model.sample(4, generator=torch.Generator().manual_seed(0)).double()
    expected = expected * raw.std(0, correction=0) + raw.mean(0)
    torch.testing.assert_close(samples, expected, rtol=1e-12, atol=0)


def test_a_model_keeps_its_scaling(tmp_path):
    model = vq.mlp_vae(3, 8, 2, vq.Gaussian())
    assert model.scaling is None
    model.save(tmp_path / "model")
    assert vq.VAE.load(tmp_path / "model").scaling is None
    model.scaling = SCALING
    model.save(tmp_path / "model")
    assert vq.VAE.load(tmp_path / "model").scaling == SCALING
    other = TableScaling((0.0,) * 3, (1.0,) * 3)
    model.save(tmp_path / "model", scaling=other)
    assert vq.VAE.load(tmp_path / "model").scaling == other
    images = vq.VQVAE(64, 8, 4, 2)
    images.save(tmp_path / "model", scaling=ImageScaling((8, 8), 16))
    assert vq.VQVAE.load(tmp_path / "model").scaling == ImageScaling((8, 8), 16)


def test_a_scaling_of_other_data_is_refused(tmp_path):
    model = vq.mlp_vae(4, 8, 2, vq.Gaussian(), condition=vq.Labels(2))
    with pytest.raises(ValueError, match="scaling is for rows of 3 numbers: expected 4, as"):
        model.save(tmp_path / "model", scaling=SCALING)
    with pytest.raises(TypeError, match=r"scaling is a list: expected one of vqvae_lib.scaling"):
        model.save(tmp_path / "model", scaling=[1.0])

    class Mine(TableScaling):
        pass

    with pytest.raises(TypeError, match="scaling is a Mine, which a file cannot describe"):
        model.save(tmp_path / "model", scaling=Mine((0.0,) * 4, (1.0,) * 4))
    assert not list(tmp_path.iterdir())


# Forged files -------------------------------------------------------------------------------------


def forge(path, change):
    """Change what a file says, with a digest that fits."""
    tensors, info = read_checkpoint(path)
    change(info, tensors)
    write_checkpoint(path, tensors, info)


def refused(path, cls):
    with pytest.raises(ValueError, match="model") as raised:
        cls.load(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


HUGE_CLAIMS = [
    lambda i, t: i["arguments"].update(hidden_dim=10**9, input_dim=10**9),
    lambda i, t: i["arguments"].update(n_qubits=10**8, latent_dim=2 * 10**8),
    lambda i, t: i["arguments"].update(encoder_layers=10**7 + 1),
    lambda i, t: i["arguments"].update(space_layers=10**7),
    lambda i, t: i["arguments"].update(encoder_layers=5001),
    lambda i, t: i["arguments"].update(bottleneck="patched", patches=10**9),
    lambda i, t: i["arguments"].update(n_qubits=400, latent_dim=800, bottleneck="fourier"),
    lambda i, t: i["arguments"].update(condition={"name": "Labels", "n_classes": 10**12}),
    lambda i, t: i["arguments"].update(image_shape=[10**6, 10**6], input_dim=10**12),
    lambda i, t: i["arguments"].update(hidden_dim=10**400),
    lambda i, t: i["arguments"].update(n_qubits=True),
]


@pytest.mark.parametrize("claim", range(len(HUGE_CLAIMS)))
def test_a_small_file_never_takes_much_memory(claim, tmp_path):
    path = tmp_path / "model"
    vq.VQVAE(6, 4, 4, 2).save(path)
    assert path.stat().st_size < 5000
    forge(path, HUGE_CLAIMS[claim])
    tracemalloc.start()
    try:
        refused(path, vq.VQVAE)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_deep_circuit_with_few_numbers_is_still_read(tmp_path):
    model = vq.VQVAE(6, 4, 4, 2, encoder_layers=101)
    model.save(tmp_path / "model")
    assert vq.VQVAE.load(tmp_path / "model").circuit == model.circuit


def odd_values():
    deep = value = []
    for _ in range(300):
        value.append([])
        value = value[0]
    return [
        *(
            None,
            True,
            -1,
            0,
            1.5,
            float("nan"),
            float("inf"),
            "",
            "text",
            "VQVAE",
            "Linear",
            [],
            {},
        ),
        *({"name": "VQVAE"}, {"name": "Linear"}, {"name": 3}, {"name": "Sequential"}, [[1]], deep),
        *({"name": "Linear", "in_features": 3}, {"name": "Circuit", "n_qubits": 3}, {"a": None}),
        {"name": "NoCondition"},
    ]


def places(info, prefix=()):
    """All places in a description, by their keys."""
    for key in info if isinstance(info, dict) else range(len(info)):
        yield (*prefix, key)
        if isinstance(info[key], dict | list):
            yield from places(info[key], (*prefix, key))


@pytest.mark.parametrize(
    "name", ["vqvae, labels", "conv", "own, fourier", "autoencoder", "format 1"]
)
def test_whatever_a_forged_description_says_is_refused_in_one_sentence(name, tmp_path):
    """Every entry of the description replaced by all kinds of values, or left out."""
    path, rng = tmp_path / "model", random.Random(0)
    if name == "format 1":
        from tests.test_vqvae import SAMPLES, file_of_format_1

        file_of_format_1(path, *SAMPLES["labels"])
        cls = vq.VQVAE
    else:
        model = seeded(MODELS[name])
        model.scaling = TableScaling((0.0,) * 64, (1.0,) * 64)
        model.save(path)
        cls = type(model)
    whole = path.read_bytes()
    _, description = read_checkpoint(path)
    wanted = [place for place in places(description) if "scaling" not in place or len(place) < 3]
    loaded = count = 0
    for place in wanted:
        for value in [*rng.sample(odd_values(), 6), "left out"]:

            def change(info, tensors, place=place, value=value):
                for key in place[:-1]:
                    info = info[key]
                if value == "left out":
                    info.pop(place[-1])
                else:
                    info[place[-1]] = value

            path.write_bytes(whole)
            forge(path, change)
            count += 1
            try:
                cls.load(path)
                loaded += 1  # what changes nothing that matters, such as a version
            except ValueError as error:
                said = str(error)
                assert str(path) in said, said
                assert "\n" not in said
    assert count > 100
    assert loaded < count / 2


def test_forged_tensors_are_refused(tmp_path):
    path = tmp_path / "model"
    own_vae(bottleneck_of("fourier")).save(path)
    whole = path.read_bytes()
    changes = {
        "Missing key": lambda t: t.pop("decoder.0.weight"),
        "surprise": lambda t: t.update(surprise=torch.ones(3)),
        "size mismatch": lambda t: t.update({"decoder.0.weight": torch.ones(3, 3)}),
        "torch.int64: expected torch.float32": lambda t: t.update(
            {"decoder.0.weight": torch.ones(32, 4).long()}
        ),
        "lists other functions": lambda t: t["bottleneck.layer.choice"].add_(7),
    }
    for message, change in changes.items():
        path.write_bytes(whole)
        tensors, info = read_checkpoint(path)
        change(tensors)
        write_checkpoint(path, tensors, info)
        assert message in refused(path, vq.VAE)


def test_flipped_and_cut_files_are_refused_by_name(tmp_path):
    path, rng = tmp_path / "model", random.Random(0)
    model = seeded(MODELS["conv, labels"]).eval()
    model.save(path)
    whole, expected = path.read_bytes(), loss_of(model)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            back = vq.VAE.load(path)
        except ValueError as error:
            said = str(error)
            assert str(path) in said
        else:
            assert torch.equal(loss_of(back), expected)
        path.write_bytes(whole[: rng.randrange(len(whole))])
        refused(path, vq.VAE)


def test_a_file_says_in_json_what_it_holds(tmp_path):
    path = tmp_path / "model"
    vq.mlp_vae(3, 2, 1, vq.Gaussian(0.5)).save(path, scaling=SCALING)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    info = json.loads(header["__metadata__"]["info"])
    assert info["kind"] == "VAE"
    assert info["scaling"] == {
        "name": "TableScaling",
        "mean": [10.0, -3.0, 0.5],
        "scale": [2.0, 1.0, 0.001],
        "columns": ["height", "weight", "ratio"],
    }
    assert info["arguments"]["decoder"]["layers"]["1"] == {"name": "GELU", "approximate": "none"}
