"""How good is a model? Numbers about reconstructions, codes, whole models and samples.

A metric takes data and returns floats; its documentation says what it averages over. One with
sampling noise returns an `Estimate`, which carries its standard error.
"""

from vqvae_lib.metrics.codes import knn_accuracy, linear_probe_accuracy, trustworthiness
from vqvae_lib.metrics.estimate import Estimate
from vqvae_lib.metrics.geometry import IntrinsicDimension, intrinsic_dimension, principal_angles
from vqvae_lib.metrics.models import ActiveUnits, active_units, nll
from vqvae_lib.metrics.reconstruction import mse
from vqvae_lib.metrics.samples import mmd2

__all__ = [
    "ActiveUnits",
    "Estimate",
    "IntrinsicDimension",
    "active_units",
    "intrinsic_dimension",
    "knn_accuracy",
    "linear_probe_accuracy",
    "mmd2",
    "mse",
    "nll",
    "principal_angles",
    "trustworthiness",
]
