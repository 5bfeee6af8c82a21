"""Numbers that say how good a model is: its reconstructions, its code, its likelihood, its samples.

A metric takes data and gives floats; what it averages over is said in its documentation. Those that
estimate something with noise come as an `Estimate`, with its error.
"""

from vqvae_lib.metrics.codes import (
    IntrinsicDimension,
    intrinsic_dimension,
    knn_accuracy,
    linear_probe_accuracy,
    principal_angles,
    trustworthiness,
)
from vqvae_lib.metrics.estimate import Estimate
from vqvae_lib.metrics.models import ActiveUnits, active_units, nll
from vqvae_lib.metrics.reconstruction import PCA, mse, pca, pca_floor
from vqvae_lib.metrics.samples import TwoSampleTest, kid, mmd2, two_sample_test

__all__ = [
    "PCA",
    "ActiveUnits",
    "Estimate",
    "IntrinsicDimension",
    "TwoSampleTest",
    "active_units",
    "intrinsic_dimension",
    "kid",
    "knn_accuracy",
    "linear_probe_accuracy",
    "mmd2",
    "mse",
    "nll",
    "pca",
    "pca_floor",
    "principal_angles",
    "trustworthiness",
    "two_sample_test",
]
