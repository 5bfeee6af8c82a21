"""Interactive figures that live in JupyterLab and in the built book, without a kernel."""

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.beta_slider import BetaSlider
from vqvae_lib.course.widgets.bloch_sphere import BlochSphere
from vqvae_lib.course.widgets.compression import Compression
from vqvae_lib.course.widgets.embeddings import Embeddings
from vqvae_lib.course.widgets.fourier_circuit import FourierCircuit
from vqvae_lib.course.widgets.gaussian_kl import GaussianKL
from vqvae_lib.course.widgets.hole_painter import HolePainter
from vqvae_lib.course.widgets.label_curve import LabelCurve
from vqvae_lib.course.widgets.latent_plane import LatentPlane, LatentPlanes
from vqvae_lib.course.widgets.prediction import Prediction
from vqvae_lib.course.widgets.prediction_answer import PredictionAnswer
from vqvae_lib.course.widgets.quantum_plane import QuantumPlane
from vqvae_lib.course.widgets.recall_cards import RecallCards, recall_cards
from vqvae_lib.course.widgets.two_qubits import TwoQubits
from vqvae_lib.course.widgets.workbench import Workbench

__all__ = [
    "BetaSlider",
    "BlochSphere",
    "Compression",
    "CourseWidget",
    "Embeddings",
    "FourierCircuit",
    "GaussianKL",
    "HolePainter",
    "LabelCurve",
    "LatentPlane",
    "LatentPlanes",
    "Prediction",
    "PredictionAnswer",
    "QuantumPlane",
    "RecallCards",
    "TwoQubits",
    "Workbench",
    "recall_cards",
]
