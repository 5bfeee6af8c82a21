"""Autoencoders, variational autoencoders and their hybrid quantum relatives."""

from vqvae_lib.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    mlp_autoencoder,
    squared_error,
)
from vqvae_lib.data import (
    ImageData,
    binarise,
    extract_patches,
    load_digits,
    load_mnist,
    load_photographs,
)
from vqvae_lib.metrics import PCA, knn_accuracy, mse, pca, pca_floor, principal_angles
from vqvae_lib.networks import ConvDecoder, ConvEncoder, mlp
from vqvae_lib.quantum import Circuit, QuantumLayer
from vqvae_lib.training import History, TrainingDiverged, cosine, fit

__version__ = "0.1.0"

__all__ = [
    "PCA",
    "Autoencoder",
    "Circuit",
    "ConvDecoder",
    "ConvEncoder",
    "DenoisingAutoencoder",
    "History",
    "ImageData",
    "LinearAutoencoder",
    "QuantumLayer",
    "TrainingDiverged",
    "binarise",
    "cosine",
    "extract_patches",
    "fit",
    "knn_accuracy",
    "load_digits",
    "load_mnist",
    "load_photographs",
    "mlp",
    "mlp_autoencoder",
    "mse",
    "pca",
    "pca_floor",
    "principal_angles",
    "squared_error",
]
