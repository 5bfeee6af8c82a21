"""Autoencoders, variational autoencoders and their hybrid quantum relatives."""

from vqvae_lib._version import __version__ as __version__
from vqvae_lib.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    mlp_autoencoder,
    squared_error,
)
from vqvae_lib.bounds import elbo, gaussian_kl, importance_bound
from vqvae_lib.conditions import Labels, NoCondition, Numbers
from vqvae_lib.data import (
    ImageData,
    TableData,
    binarise,
    extract_patches,
    load_digits,
    load_mnist,
    load_photographs,
    load_table,
    random_manifold,
)
from vqvae_lib.history import History
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian
from vqvae_lib.linear_gaussian import PCA, FullGaussian, ProbabilisticPCA
from vqvae_lib.metrics import (
    active_units,
    intrinsic_dimension,
    knn_accuracy,
    linear_probe_accuracy,
    mmd2,
    mse,
    nll,
    principal_angles,
    trustworthiness,
)
from vqvae_lib.networks import ConvDecoder, ConvEncoder, mlp
from vqvae_lib.quantum import Circuit, QuantumLayer
from vqvae_lib.quantum_autoencoder import (
    QuantumAutoencoder,
    amplitude_states,
    best_unitary,
    compression_bound,
    density_matrix,
)
from vqvae_lib.scaling import ImageScaling, TableScaling
from vqvae_lib.splits import GroupFold, GroupSplit, RandomSplit
from vqvae_lib.training import TrainingDiverged, TrainingInterrupted, cosine, fit
from vqvae_lib.vae import VAE, GaussianEncoder, KLWarmUp, Posterior, mlp_vae, reparameterise
from vqvae_lib.vqvae import VQVAE

__all__ = [
    "PCA",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "Bernoulli",
    "Binomial",
    "Circuit",
    "ConvDecoder",
    "ConvEncoder",
    "DenoisingAutoencoder",
    "FullGaussian",
    "Gaussian",
    "GaussianEncoder",
    "GroupFold",
    "GroupSplit",
    "History",
    "ImageData",
    "ImageScaling",
    "KLWarmUp",
    "Labels",
    "LinearAutoencoder",
    "NoCondition",
    "Numbers",
    "Posterior",
    "ProbabilisticPCA",
    "QuantumAutoencoder",
    "QuantumLayer",
    "RandomSplit",
    "TableData",
    "TableScaling",
    "TrainingDiverged",
    "TrainingInterrupted",
    "active_units",
    "amplitude_states",
    "best_unitary",
    "binarise",
    "compression_bound",
    "cosine",
    "density_matrix",
    "elbo",
    "extract_patches",
    "fit",
    "gaussian_kl",
    "importance_bound",
    "intrinsic_dimension",
    "knn_accuracy",
    "linear_probe_accuracy",
    "load_digits",
    "load_mnist",
    "load_photographs",
    "load_table",
    "mlp",
    "mlp_autoencoder",
    "mlp_vae",
    "mmd2",
    "mse",
    "nll",
    "principal_angles",
    "random_manifold",
    "reparameterise",
    "squared_error",
    "trustworthiness",
]
