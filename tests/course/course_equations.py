r"""Equations of the course, with values by other routes than the formula.

They show what the grammar has to carry. Each entry is a formula as a chapter displays it, its
values, and what `check_equation` is told besides.
"""

import itertools
import math

import numpy as np
import sympy as sp
import torch
from scipy import stats
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vqvae_lib.course.equations import Samples
from vqvae_lib.metrics import Estimate

RNG = np.random.default_rng(0)
EQUATIONS = {}


def equation(label, formula, values, **options):
    EQUATIONS[label] = formula, values, options


def symmetric(n):
    """A positive definite matrix."""
    root = RNG.normal(size=(n, n))
    return root @ root.T + 0.5 * np.eye(n)


def gaussian(x, mean, covariance):
    return stats.multivariate_normal.pdf(x, mean, covariance)


def kl(q, p):
    return float((q * np.log(q / p)).sum())


# 1 Autoencoders -----------------------------------------------------------------------------------

theta = sp.Symbol("theta", real=True)
lambda_1, lambda_2 = sp.symbols("lambda_1 lambda_2", positive=True)
direction = sp.Matrix([sp.cos(theta), sp.sin(theta)])
residual = sp.eye(2) - direction * direction.T

equation(
    "eq-plane-loss",
    r"\mathcal L(\theta) = \lambda_2 + (\lambda_1 - \lambda_2) \sin^2\theta .",
    {
        r"\mathcal L(\theta)": (residual * sp.diag(lambda_1, lambda_2) * residual.T).trace(),
        r"\theta": theta,
        r"\lambda_1": lambda_1,
        r"\lambda_2": lambda_2,
    },
)

equation(
    "eq-plane-loss-chain",
    r"""\begin{aligned}
\mathcal L(\theta) &= \lambda_1 + \lambda_2 - \bigl( \lambda_1 \cos^2\theta + """
    r"""\lambda_2 \sin^2\theta \bigr) \\
&= \lambda_2 + (\lambda_1 - \lambda_2) \sin^2\theta .
\end{aligned}""",
    EQUATIONS["eq-plane-loss"][1],
)

x = RNG.normal(size=(30, 5)) @ RNG.normal(size=(5, 5))
x -= x.mean(0)
spectrum, axes = np.linalg.eigh(x.T @ x / 30)
spectrum, axes = spectrum[::-1], axes[:, ::-1]
equation(
    "eq-linear-floor",
    r"\min_{A, B}\; \frac1N \sum_b \lVert x_b - BA x_b \rVert^2 = \sum_{i > d} \lambda_i .",
    {
        r"\min_{A, B} \frac1N \sum_b \lVert x_b - BA x_b \rVert^2": (
            ((x - x @ axes[:, :2] @ axes[:, :2].T) ** 2).sum(1).mean()
        ),
        "d": 2,
        r"\lambda": torch.from_numpy(spectrum.copy()),
    },
)

clean, chance = np.array([-1.0, 0.5, 2.0]), np.array([0.2, 0.5, 0.3])
noisy, s = 0.7, 0.8
bells = chance * np.exp(-((noisy - clean) ** 2) / (2 * s**2))
where = torch.tensor(noisy, dtype=torch.float64, requires_grad=True)
log_p = (
    (torch.from_numpy(chance) * (-((where - torch.from_numpy(clean)) ** 2) / (2 * s**2)).exp())
    .sum()
    .log()
)
(score,) = torch.autograd.grad(log_p, where)
equation(
    "eq-tweedie",
    r"\mathbb E[x \mid y] - y = \sigma^2\, \nabla_y \log p_\sigma(y) .",
    {
        r"\mathbb E[x \mid y]": (bells * clean).sum() / bells.sum(),
        "y": noisy,
        r"\sigma": s,
        r"\nabla_y \log p_\sigma(y)": score,
    },
)

# 2 Latent variables and the ELBO ------------------------------------------------------------------

# Four codes, so that every average is a sum.
prior = np.array([0.1, 0.4, 0.3, 0.2])
likelihood = np.array([0.9, 0.05, 0.4, 0.2])
evidence = prior @ likelihood
posterior = prior * likelihood / evidence
guesses = [np.array([0.3, 0.2, 0.4, 0.1]), posterior]

equation(
    "eq-elbo",
    r"\log p_\theta(x) \;\ge\; \mathrm{ELBO}(x; q) = \mathbb E_{q(z \mid x)}\!\left[\log "
    r"\frac{p_\theta(x \mid z)\, p(z)}{q(z \mid x)}\right] .",
    [
        {
            r"p_\theta(x)": evidence,
            r"\mathrm{ELBO}(x; q)": math.log(evidence) - kl(q, posterior),
            r"\mathbb E_{q(z \mid x)}[\cdot]": lambda values, q=q: q @ values,
            r"p_\theta(x \mid z)": Samples(likelihood),
            "p(z)": Samples(prior),
            r"q(z \mid x)": Samples(q),
        }
        for q in guesses
    ],
)
equation(
    "eq-elbo-terms",
    r"""\mathbb E_{q}\!\left[\log \frac{p_\theta(x \mid z)\, p(z)}{q(z)}\right]
= \underbrace{\mathbb E_{q}[\log p_\theta(x \mid z)]}_{\text{reconstruction}}
- \underbrace{\mathrm{KL}\bigl(q \,\Vert\, p(z)\bigr)}_{\text{price of the code}} .""",
    {
        r"\mathbb E_{q}[\cdot]": lambda values: guesses[0] @ values,
        r"p_\theta(x \mid z)": Samples(likelihood),
        "p(z)": Samples(prior),
        "q(z)": Samples(guesses[0]),
        r"\mathrm{KL}(q \Vert p(z))": kl(guesses[0], prior),
    },
)
equation(
    "eq-elbo-gap",
    r"\log p_\theta(x) - \mathrm{ELBO}(x; q) = \mathrm{KL}\bigl(q(z \mid x) \,\Vert\, "
    r"p_\theta(z \mid x)\bigr) \;\ge\; 0 .",
    [
        {
            r"p_\theta(x)": evidence,
            r"\mathrm{ELBO}(x; q)": q @ np.log(likelihood * prior / q),
            r"\mathrm{KL}(q(z \mid x) \Vert p_\theta(z \mid x))": kl(q, posterior),
        }
        for q in guesses
    ],
)
equation(
    "eq-gaussian-kl",
    r"""\mathrm{KL}\bigl(\mathcal N(\mu, \sigma^2) \,\Vert\, \mathcal N(0, 1)\bigr)
= \tfrac12 \bigl(\mu^2 + \sigma^2 - 1 - \log \sigma^2\bigr) .""",
    [
        {
            r"\mathrm{KL}(\mathcal N(\mu, \sigma^2) \Vert \mathcal N(0, 1))": kl_divergence(
                Normal(*torch.tensor([mu, sigma], dtype=torch.float64)),
                Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double()),
            ),
            r"\mu": mu,
            r"\sigma": sigma,
        }
        for mu, sigma in ((0.7, 0.4), (-1.2, 1.9))
    ],
)

W, mean, var_x = RNG.normal(size=(3, 2)), RNG.normal(size=3), 0.4
point, code = RNG.normal(size=3), RNG.normal(size=2)
C = sum(np.outer(column, column) for column in W.T) + np.diag([var_x] * 3)
M = np.array([[W[:, i] @ W[:, j] + (var_x if i == j else 0) for j in (0, 1)] for i in (0, 1)])


def likelihood_of(codes):
    """Density of the point for each code (..., 2): that of what the code leaves, at the mean."""
    return gaussian(point - codes @ W.T, mean, var_x * np.eye(3))


def joint_density(*code):
    return likelihood_of(np.array(code)) * gaussian(code, [0, 0], np.eye(2))


nodes, weights = np.polynomial.hermite_e.hermegauss(150)
pairs = np.stack(np.meshgrid(nodes, nodes), -1)
density = (np.outer(weights, weights) * likelihood_of(pairs)).sum() / (2 * np.pi)
equation(
    "eq-ppca-marginal",
    r"p(x) = \mathcal N\bigl(x;\; \bar x,\; C\bigr), \qquad C = W W^{\mathsf T} + \sigma_x^2 I_D .",
    {
        "p(x)": density,
        r"\mathcal N(\cdot; \cdot, \cdot)": gaussian,
        "x": point,
        r"\bar x": mean,
        "C": C,
        "W": W,
        r"\sigma_x": math.sqrt(var_x),
        "I_D": np.eye(3),
    },
    rtol=1e-6,
)
equation(
    "eq-ppca-posterior",
    r"""p(z \mid x) = \mathcal N\bigl(z;\; M^{-1} W^{\mathsf T} (x - \bar x),\; """
    r"""\sigma_x^2 M^{-1}\bigr),
\qquad M = W^{\mathsf T} W + \sigma_x^2 I_d .""",
    {
        r"p(z \mid x)": joint_density(*code) / gaussian(point, mean, C),
        r"\mathcal N(\cdot; \cdot, \cdot)": gaussian,
        "z": code,
        "x": point,
        r"\bar x": mean,
        "M": M,
        "W": W,
        r"\sigma_x": math.sqrt(var_x),
        "I_d": np.eye(2),
    },
)


def hadamard(M):
    true = MultivariateNormal(torch.zeros(2).double(), torch.tensor(np.linalg.inv(M)))
    best = MultivariateNormal(torch.zeros(2).double(), torch.tensor(np.diag(1 / np.diag(M))))
    return {
        "p(x)": 0.3,
        r"\max_{q\ \text{diagonal}} \mathrm{ELBO}(x; q)": math.log(0.3)
        - float(kl_divergence(best, true)),
        "M": M,
    }


equation(
    "eq-hadamard-gap",
    r"""\log p(x) - \max_{q\ \text{diagonal}} \mathrm{ELBO}(x; q)
= \tfrac12 \Bigl(\textstyle\sum_i \log M_{ii} - \log\det M\Bigr) \;\ge\; 0 .""",
    [hadamard(M), hadamard(np.diag([0.5, 3.0]))],
)

mu, sd = RNG.normal(size=2), np.array([0.3, 1.4])
expected_error = sum(
    u * v * ((point - mean - W @ (mu + sd * np.array([a, b]))) ** 2).sum() / (2 * np.pi)
    for a, u in zip(*np.polynomial.hermite_e.hermegauss(3), strict=True)
    for b, v in zip(*np.polynomial.hermite_e.hermegauss(3), strict=True)
)
price = kl_divergence(Normal(torch.tensor(mu), torch.tensor(sd)), Normal(0.0, 1.0)).sum()
equation(
    "eq-linear-elbo",
    r"""\begin{aligned}
\mathrm{ELBO} = {}& -\frac{\lVert x - \bar x - W\mu \rVert^2 + \sum_i \sigma_i^2 """
    r"""\lVert w_i \rVert^2}{2\sigma_x^2} - \frac D2 \log 2\pi\sigma_x^2 \\
& - \tfrac12 \sum_i \bigl(\mu_i^2 + \sigma_i^2 - 1 - \log\sigma_i^2\bigr) ,
\end{aligned}""",
    {
        r"\mathrm{ELBO}": -expected_error / (2 * var_x)
        - 1.5 * math.log(2 * math.pi * var_x)
        - float(price),
        "x": point,
        r"\bar x": mean,
        "W": W,
        "w": W.T,
        r"\mu": mu,
        r"\sigma": sd,
        r"\sigma_x": math.sqrt(var_x),
        "D": 3,
    },
)


def importance_bound(q, draws):
    """Enumerate all draws: exact."""
    w = prior * likelihood / q
    total = 0.0
    for drawn in itertools.product(range(4), repeat=draws):
        total += np.prod(q[list(drawn)]) * math.log(w[list(drawn)].mean())
    return total


equation(
    "eq-iwae-monotone",
    r"\mathcal L_J(x) \;\le\; \mathcal L_K(x) \;\le\; \log p_\theta(x) "
    r"\qquad \text{for } J \le K .",
    [
        {
            r"\mathcal L_J(x)": importance_bound(q, J),
            r"\mathcal L_K(x)": importance_bound(q, K),
            r"p_\theta(x)": evidence,
            "J": J,
            "K": K,
        }
        for q, J, K in ((guesses[0], 2, 4), (posterior, 1, 3), (guesses[0], 2, 2))
    ],
)

# 3 The VAE ----------------------------------------------------------------------------------------

m, sd_1 = 0.6, 0.7
grid, mass = np.polynomial.hermite_e.hermegauss(40)
mass = mass / mass.sum()
z = m + sd_1 * grid  # f(z) = z³ has the average m³ + 3 m σ²
equation(
    "eq-score-function",
    r"\nabla_\mu\, \mathbb E_{q}[f(z)] = \mathbb E_{q}\bigl[f(z)\, \nabla_\mu \log q(z)\bigr] = "
    r"\mathbb E_q\!\left[f(z)\, \frac{z - \mu}{\sigma^2}\right] .",
    {
        r"\nabla_\mu \mathbb E_{q}[f(z)]": 3 * m**2 + 3 * sd_1**2,
        r"\mathbb E_q[\cdot]": lambda values: mass @ values,
        "f(z)": Samples(z**3),
        r"\nabla_\mu \log q(z)": Samples((z - m) / sd_1**2),
        "z": Samples(z),
        r"\mu": m,
        r"\sigma": sd_1,
    },
)
epsilon = np.random.default_rng(1).normal(size=200_000)
equation(
    "eq-pathwise",
    r"\nabla_\mu\, \mathbb E_{q}[f(z)] = \mathbb E_{\varepsilon}\bigl[f'(\mu + "
    r"\sigma\varepsilon)\bigr] .",
    {
        r"\nabla_\mu \mathbb E_{q}[f(z)]": 3 * m**2 + 3 * sd_1**2,
        r"\mathbb E_{\varepsilon}[\cdot]": lambda values: Estimate.of(
            torch.as_tensor(values + 0 * epsilon)
        ),
        r"f'(\cdot)": lambda z: 3 * z**2,
        r"\mu": m,
        r"\sigma": sd_1,
        r"\varepsilon": Samples(epsilon),
    },
    unbreakable={
        r"+ became − before \sigma\varepsilon": r"$\varepsilon$ and $-\varepsilon$ are alike"
    },
)
shown, drawn = RNG.normal(size=4), RNG.normal(size=4)
equation(
    "eq-mse-likelihood",
    r"-\log p_\theta(x \mid z) = \frac{\lVert x - \hat x \rVert^2}{2\sigma_x^2} + \frac D2 \log "
    r"2\pi\sigma_x^2 .",
    {
        r"p_\theta(x \mid z)": gaussian(shown, drawn, 0.3 * np.eye(4)),
        "x": shown,
        r"\hat x": drawn,
        r"\sigma_x": math.sqrt(0.3),
        "D": 4,
    },
)


def best_signal(variance, noise):
    """Maximise the likelihood of one direction by brute force."""
    s2 = np.linspace(0, 3, 300_001)
    total = s2 + noise
    return math.sqrt(s2[(-np.log(total) - variance / total).argmax()])


equation(
    "eq-active-threshold",
    r"s^2 = \max(0,\; \lambda - \sigma_x^2) .",
    [
        {"s": best_signal(v, 0.5), r"\lambda": v, r"\sigma_x": math.sqrt(0.5)}
        for v in (2.0, 0.3, 0.9)
    ],
    rtol=1e-5,
)
equation(
    "eq-beta-variance",
    r"\frac{\lVert x - \hat x\rVert^2}{2\sigma_x^2} + \beta\,\mathrm{KL} \;=\; \beta \left( "
    r"\frac{\lVert x - \hat x\rVert^2}{2\,(\beta\sigma_x^2)} + \mathrm{KL} \right) ,",
    {
        "x": shown,
        r"\hat x": drawn,
        r"\sigma_x": 0.7,
        r"\beta": 3.5,
        r"\mathrm{KL}": 1.3,
    },
)
encoder = RNG.dirichlet(np.ones(4), size=3)  # q(z|x_b)
aggregate = encoder.mean(0)
equation(
    "eq-rate",
    r"\frac1N \sum_b \mathrm{KL}\bigl(q_\phi(z \mid x_b) \,\Vert\, p(z)\bigr) = "
    r"\underbrace{I_q(x; z)}_{\text{information}} + \underbrace{\mathrm{KL}\bigl(\bar q(z) "
    r"\,\Vert\, p(z)\bigr)}_{\text{mismatch}} .",
    {
        "N": 3,
        "b": range(1, 4),
        r"\mathrm{KL}(q_\phi(z \mid x_{\cdot}) \Vert p(z))": lambda b: kl(encoder[b - 1], prior),
        "I_q(x; z)": stats.entropy(aggregate) - np.mean([stats.entropy(q) for q in encoder]),
        r"\mathrm{KL}(\bar q(z) \Vert p(z))": kl(aggregate, prior),
    },
)

# 4 Qubits and circuits ----------------------------------------------------------------------------

alpha, beta = np.array([0.6 + 0.2j, 0.3 - 0.7j]) / np.linalg.norm([0.6 + 0.2j, 0.3 - 0.7j])
psi = np.array([alpha, beta])
X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
bloch = [float((psi.conj() @ P @ psi).real) for P in (X, Y, Z)]
unitary = np.linalg.qr(RNG.normal(size=(2, 2)) + 1j * RNG.normal(size=(2, 2)))[0]


def exponential(P, t):
    values, vectors = np.linalg.eigh(P)
    return vectors @ np.diag(np.exp(-0.5j * t * values)) @ vectors.conj().T


equation(
    "eq-unitary",
    r"U^\dagger U = I \quad\Longrightarrow\quad \lVert U\psi \rVert^2 = \lVert \psi \rVert^2 .",
    [{"U": unitary, "I": np.eye(2), r"\psi": np.array([1.0, 2j])}],
    unbreakable={
        r"factors U^\dagger and U exchanged": "a square matrix has its inverse on both sides",
        r"factor U left out (2)": r"with and without $U$ the length is the same: that is the claim",
    },
)
equation(
    "eq-bloch",
    r"x = 2 \operatorname{Re}(\alpha^* \beta), \qquad y = 2 \operatorname{Im}(\alpha^* \beta), "
    r"\qquad z = |\alpha|^2 - |\beta|^2, \qquad x^2 + y^2 + z^2 = 1 ,",
    {"x": bloch[0], "y": bloch[1], "z": bloch[2], r"\alpha": alpha, r"\beta": beta},
)
equation(
    "eq-rotations",
    r"""\mathrm{RY}(t) = \begin{pmatrix} \cos\frac t2 & -\sin\frac t2 \\ \sin\frac t2 & """
    r"""\phantom{-}\cos\frac t2 \end{pmatrix}, \qquad
\mathrm{RX}(t) = \begin{pmatrix} \cos\frac t2 & -i\sin\frac t2 \\ -i\sin\frac t2 & """
    r"""\cos\frac t2 \end{pmatrix}, \qquad
\mathrm{RZ}(t) = \begin{pmatrix} e^{-it/2} & 0 \\ 0 & e^{it/2} \end{pmatrix} .""",
    {
        "t": 0.7,
        r"\mathrm{RY}(t)": exponential(Y, 0.7),
        r"\mathrm{RX}(t)": exponential(X, 0.7),
        r"\mathrm{RZ}(t)": exponential(Z, 0.7),
    },
)
equation(
    "eq-ry-bloch",
    r"\mathrm{RY}(t)\ket 0 = \cos\tfrac t2 \ket 0 + \sin\tfrac t2 \ket 1, \qquad (x, y, z) = "
    r"(\sin t,\, 0,\, \cos t) .",
    {
        "t": 0.7,
        r"\mathrm{RY}(t)": exponential(Y, 0.7),
        **{
            name: float((exponential(Y, -0.7) @ P @ exponential(Y, 0.7))[0, 0].real)
            for name, P in (("x", X), ("y", Y), ("z", Z))
        },
    },
)


def helstrom(a, b):
    """The best measurement: half the sum of the positive eigenvalues' contributions."""
    difference = np.outer(a, a.conj()) - np.outer(b, b.conj())
    return 0.5 + 0.25 * np.abs(np.linalg.eigvalsh(difference)).sum()


equation(
    "eq-helstrom",
    r"p_{\text{right}} = \tfrac12 \left( 1 + \sqrt{1 - |\langle\psi_a | \psi_b\rangle|^2} "
    r"\right),",
    {
        r"p_{\text{right}}": helstrom(psi, np.array([0.8, 0.6j])),
        r"\psi_a": psi,
        r"\psi_b": np.array([0.8, 0.6j]),
    },
)
equation(
    "eq-expectation",
    r"\langle Z \rangle = p(0) - p(1) = \psi^\dagger Z \psi , \qquad \langle O \rangle = "
    r"\sum_j \lambda_j\, p(\lambda_j) = \psi^\dagger O \psi .",
    {
        r"\langle Z \rangle": abs(alpha) ** 2 - abs(beta) ** 2,
        "p(0)": abs(alpha) ** 2,
        "p(1)": abs(beta) ** 2,
        r"\psi": psi,
        "Z": Z,
        "O": np.array([[0.3, 0.5 - 0.2j], [0.5 + 0.2j, -0.9]]),
        r"\langle O \rangle": float(
            0.3 * abs(alpha) ** 2
            - 0.9 * abs(beta) ** 2
            + 2 * ((0.5 - 0.2j) * alpha.conjugate() * beta).real
        ),
        r"\lambda": np.linalg.eigvalsh(np.array([[0.3, 0.5 - 0.2j], [0.5 + 0.2j, -0.9]])),
        r"p(\cdot)": lambda value: _probability(value),
    },
)


def _probability(value):
    values, vectors = np.linalg.eigh(np.array([[0.3, 0.5 - 0.2j], [0.5 + 0.2j, -0.9]]))
    near = np.abs(values - value) < 1e-9
    return float((np.abs(vectors[:, near].conj().T @ psi) ** 2).sum())


def basis(k, n=3):
    return np.eye(2**n)[k]


H = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
equation(
    "eq-superposition",
    r"H^{\otimes n} \ket{0 \dots 0} = 2^{-n/2} \sum_{k=0}^{2^n - 1} \ket k ,",
    {"H": H, "n": 3, r"\ket{0 \dots 0}": basis(0), r"\ket{\cdot}": lambda k: basis(int(k))},
)
equation(
    "eq-bell",
    r"\mathrm{CNOT}\,(H \otimes I) \ket{00} = \tfrac{1}{\sqrt 2} \bigl( \ket{00} + \ket{11} "
    r"\bigr) .",
    {r"\mathrm{CNOT}": np.eye(4)[[0, 1, 3, 2]], "H": H, "I": np.eye(2)},
)
state = RNG.normal(size=4) + 1j * RNG.normal(size=4)
state /= np.linalg.norm(state)
small, large = np.linalg.eigvalsh(state.reshape(2, 2) @ state.reshape(2, 2).conj().T)
equation(
    "eq-entangled",
    r"\lambda_\pm = \tfrac12 \left( 1 \pm \sqrt{1 - 4\, |\psi_{00}\psi_{11} - "
    r"\psi_{01}\psi_{10}|^2} \right),",
    {
        r"\lambda_+": large,
        r"\lambda_-": small,
        **{rf"\psi_{{{k:02b}}}": state[k] for k in range(4)},
    },
)

# 5 Trainable circuits -----------------------------------------------------------------------------


def output(t):
    return 0.2 + 0.5 * math.cos(t) - 0.7 * math.sin(t)


equation(
    "eq-one-angle",
    r"o(t) = A + B \cos t + C \sin t .",
    {"o(t)": output(0.4), "A": 0.2, "B": 0.5, "C": -0.7, "t": 0.4},
)
equation(
    "eq-parameter-shift",
    r"\frac{\partial o}{\partial t} = \frac12 \Bigl[ o\bigl(t + \tfrac\pi2\bigr) - "
    r"o\bigl(t - \tfrac\pi2\bigr) \Bigr] .",
    {
        r"\frac{\partial o}{\partial t}": -0.5 * math.sin(0.4) - 0.7 * math.cos(0.4),
        r"o(\cdot)": output,
        "t": 0.4,
    },
)
equation(
    "eq-shift-variance",
    r"\operatorname{Var} = \frac{(1 - o_+^2) + (1 - o_-^2)}{4\, N_\text{shots}} .",
    {
        # Two binomials over 50 shots each.
        r"\operatorname{Var}": 0.25
        * sum(4 * stats.binom(50, (1 + o) / 2).var() / 50**2 for o in (0.3, -0.8)),
        "o_+": 0.3,
        "o_-": -0.8,
        r"N_\text{shots}": 50,
    },
)
coefficients = {0: 0.3, 1: 0.2 - 0.4j, 2: -0.1 + 0.3j}
coefficients |= {-j: c.conjugate() for j, c in list(coefficients.items()) if j}
equation(
    "eq-reupload",
    r"o_k(z) = \sum_{|j| \le L} c_j\, e^{i j a z}, \qquad c_{-j} = c_j^* .",
    [
        {
            "o_k(z)": sum(
                2 * (c.real * math.cos(j * 0.9) - c.imag * math.sin(j * 0.9))
                for j, c in coefficients.items()
                if j > 0
            )
            + 0.3,
            r"c_{\cdot}": coefficients.__getitem__,
            "L": 2,
            "a": 1.5,
            "z": 0.6,
            "j": 1,
        }
    ],
)

# 6 The quantum autoencoder ------------------------------------------------------------------------

a, b = np.array([0.6, 0.8j]), np.array([1, 1]) / math.sqrt(2)
ab = np.kron(a, b).reshape(2, 2)
equation(
    "eq-swap-test",
    r"p(0) = \tfrac12 \bigl( 1 + |\langle a | b \rangle|^2 \bigr) .",
    # The probability of the symmetric part.
    {"p(0)": float((np.abs((ab + ab.T) / 2) ** 2).sum()), "a": a, "b": b},
)
states = RNG.normal(size=(20, 8))
states /= np.linalg.norm(states, axis=1, keepdims=True)
rho = states.T @ states / 20
weights_, vectors_ = np.linalg.eigh(rho)
weights_, vectors_ = weights_[::-1], vectors_[:, ::-1]
worse = np.linalg.qr(RNG.normal(size=(8, 2)))[0]
kept = [
    float((np.linalg.norm(states @ subspace, axis=1) ** 2).mean())
    for subspace in (vectors_[:, :2], worse)
]
equation(
    "eq-ky-fan",
    r"\overline{p_0} \;\le\; \sum_{i=1}^{2^k} \lambda_i(\rho), \qquad \lambda_1 \ge \lambda_2 "
    r"\ge \dots ,",
    [
        {
            r"\overline{p_0}": p,
            "k": 1,
            r"\lambda_{\cdot}(\rho)": lambda i: weights_[i - 1],
            r"\lambda_1": weights_[0],
            r"\lambda_2": weights_[second],
        }
        for p, second in zip(kept, (0, 1), strict=True)
    ],
    unbreakable={
        r"\lambda_1 became \lambda_2": "then it would say nothing, and nothing false",
        r"\lambda_2 became \lambda_1": "then it would say nothing, and nothing false",
    },
)
equation(
    "eq-fidelity-bounds",
    r"p_0^2 \;\le\; F \;\le\; p_0 .",
    # All that is lost goes into one state, or is spread over ever more.
    [{"p_0": 0.7, "F": 0.7}, {"p_0": 0.7, "F": 0.49}, {"p_0": 0.7, "F": 0.6}],
)
equation(
    "eq-uncentred-pca",
    r"\overline{p_0} = 1 - \frac1N \sum_b \lVert x_b - \Pi x_b \rVert^2 , \qquad \Pi = "
    r"\sum_{j=1}^{2^k} v_j v_j^\dagger ,",
    {
        r"\overline{p_0}": kept[0],
        "N": 20,
        "x": states,
        r"\Pi": vectors_[:, :2] @ vectors_[:, :2].T,
        "k": 1,
        "v": vectors_.T.astype(complex),
    },
)
equation(
    "eq-no-compression",
    r"\sum_{i \le 2^k} \lambda_i = 2^{k - n} .",
    {"k": 2, "n": 3, r"\lambda": np.full(8, 1 / 8)},
)

# 7 The hybrid -------------------------------------------------------------------------------------

angles = RNG.normal(size=3)
inputs = RNG.normal(size=4)


def outputs(z, t):
    return np.array([np.cos(t) * z, 0.5 * np.sin(t + z)])


def loss_slope(z, t):
    return 2 * outputs(z, t)  # of the loss Σ o²


equation(
    "eq-vqvae-gradient",
    r"\frac{\partial \mathcal L}{\partial \theta_j} = \sum_{b, k} \frac{\partial \mathcal L}"
    r"{\partial o_k(z_b)} \cdot \tfrac12 \Bigl[ o_k\bigl(z_b; \theta_j + \tfrac\pi2\bigr) - "
    r"o_k\bigl(z_b; \theta_j - \tfrac\pi2\bigr) \Bigr] .",
    [
        {
            r"\frac{\partial \mathcal L}{\partial \theta_j}": torch.func.grad(
                lambda t: sum(
                    (t.cos() * z) ** 2 + (0.5 * (t + z).sin()) ** 2 for z in inputs.tolist()
                )
            )(torch.tensor(t).double()),
            r"\frac{\partial \mathcal L}{\partial o_{\cdot}(z_{\cdot})}": (
                lambda k, b, t=t: loss_slope(inputs[b - 1], t)[k - 1]
            ),
            r"o_{\cdot}(z_{\cdot}; \cdot)": lambda k, b, t: outputs(inputs[b - 1], t)[k - 1],
            r"\theta_j": t,
            "b": range(1, 5),
            "k": range(1, 3),
        }
        for t in angles[:1]
    ],
)
shots, o = 5, 0.3
counts = np.arange(shots + 1)
chances = stats.binom(shots, (1 + o) / 2).pmf(counts)
equation(
    "eq-shot-ridge",
    r"\mathbb E\bigl[(x - w \hat o)^2\bigr] = (x - w o)^2 + \frac{w^2 (1 - o^2)}{N} .",
    {
        r"\mathbb E[\cdot]": lambda values: chances @ values,
        "x": 0.8,
        "w": 1.7,
        r"\hat o": Samples(2 * counts / shots - 1),
        "o": o,
        "N": shots,
    },
)
equation(
    "eq-folding",
    r"P\bigl(|a z_i| > \tfrac\pi2\bigr) = \operatorname{erfc}\Bigl(\frac{\pi}{2 \sqrt 2\, a}"
    r"\Bigr) ,",
    {r"P(|a z_i| > \tfrac\pi2)": 2 * stats.norm.sf(math.pi / 2 / 1.3), "a": 1.3},
)

# 9 Image generation -------------------------------------------------------------------------------

draws = np.random.default_rng(2).normal(size=(2, 100_000, 3))
equation(
    "eq-midpoint",
    r"\mathbb E\,\Bigl\lVert \frac{z + z'}2 \Bigr\rVert^2 = \frac d2 , \qquad \text{while} "
    r"\quad \mathbb E\, \lVert z \rVert^2 = d .",
    {
        r"\mathbb E\cdot": lambda values: Estimate.of(torch.as_tensor(values)),
        "z": Samples(draws[0]),
        "z'": Samples(draws[1]),
        "d": 3,
    },
    unbreakable={
        "+ became − before z'": "$z'$ and $-z'$ are alike",
        "z became z' (2)": "$z$ and $z'$ are alike",
    },
)
covariance, centre, seen_values = symmetric(5), RNG.normal(size=5), RNG.normal(size=2)
precision = np.linalg.inv(covariance)
hidden_covariance = np.linalg.inv(precision[:3, :3])
equation(
    "eq-gaussian-conditional",
    r"""\begin{aligned}
\mathbb E[x_h \mid x_s] &= m_h + C_{hs} C_{ss}^{-1} (x_s - m_s) , \\
\operatorname{Cov}[x_h \mid x_s] &= C_{hh} - C_{hs} C_{ss}^{-1} C_{sh} .
\end{aligned}""",
    {
        r"\mathbb E[x_h \mid x_s]": centre[:3]
        - hidden_covariance @ precision[:3, 3:] @ (seen_values - centre[3:]),
        r"\operatorname{Cov}[x_h \mid x_s]": hidden_covariance,
        "m_h": centre[:3],
        "m_s": centre[3:],
        "x_s": seen_values,
        "C_{hh}": covariance[:3, :3],
        "C_{hs}": covariance[:3, 3:],
        "C_{sh}": covariance[3:, :3],
        "C_{ss}": covariance[3:, 3:],
    },
)
equation(
    "eq-importance-seen",
    r"\mathbb E[f(z) \mid x_s] = \frac{\mathbb E_{p(z)}\bigl[f(z)\, p(x_s \mid z)\bigr]}"
    r"{\mathbb E_{p(z)}\bigl[p(x_s \mid z)\bigr]} .",
    {
        r"\mathbb E[f(z) \mid x_s]": posterior @ np.array([1.0, -2.0, 0.5, 3.0]),
        r"\mathbb E_{p(z)}[\cdot]": lambda values: prior @ values,
        "f(z)": Samples([1.0, -2.0, 0.5, 3.0]),
        r"p(x_s \mid z)": Samples(likelihood),
    },
)
mask = RNG.normal(size=(2, 5))
drawing, measured_values = RNG.normal(size=5), RNG.normal(size=2)
# The nearest image to the drawing among those that fit what was measured.
correction = np.linalg.lstsq(mask, measured_values - mask @ drawing, rcond=None)[0]
equation(
    "eq-completed",
    r"\mathbb E[x \mid z, y] = g(z) + A^\top (A A^\top)^{-1} \bigl(y - A g(z)\bigr) .",
    {
        r"\mathbb E[x \mid z, y]": drawing + correction,
        "g(z)": drawing,
        "A": mask,
        "y": measured_values,
    },
)

# 10 Dimensionality reduction ----------------------------------------------------------------------

peak = math.atan2(-0.7, 0.5) + math.pi / 2  # where the slope is steepest


def wave(u):
    return math.cos(u)


equation(
    "eq-feature-slope",
    r"\left| \frac{\partial o_k}{\partial z_i} \right| = \tfrac a2 \left| o_k\bigl(a z_i + "
    r"\tfrac\pi2\bigr) - o_k\bigl(a z_i - \tfrac\pi2\bigr) \right| \le a ,",
    [
        {
            r"\frac{\partial o_k}{\partial z_i}": -1.5 * math.sin(1.5 * z),
            r"o_k(\cdot)": wave,
            "a": 1.5,
            "z_i": z,
        }
        for z in (0.4, -0.9, math.pi / 3)
    ],
)
equation(
    "eq-explained-variance",
    r"\frac1N \sum_{b} \lVert x_b - \hat x_b \rVert^2 = \sum_{i > k} \lambda_i .",
    {
        "N": 30,
        "x": x,
        r"\hat x": x @ axes[:, :3] @ axes[:, :3].T,
        "k": 3,
        r"\lambda": spectrum,
    },
)
ratios = RNG.pareto(3.0, size=12) + 1
equation(
    "eq-two-nn-mle",
    r"\hat d = \Bigl( \frac1N \sum_b \log \frac{r_2^{(b)}}{r_1^{(b)}} \Bigr)^{-1} .",
    {
        r"\hat d": stats.pareto.fit(ratios, floc=0, fscale=1)[0],
        "N": 12,
        "b": range(1, 13),
        r"r_2^{(\cdot)}": lambda b: 0.3 * ratios[int(b) - 1],
        r"r_1^{(\cdot)}": lambda b: 0.3,
    },
    rtol=1e-6,
)
scatter, m_0, m_1 = symmetric(3), RNG.normal(size=3), RNG.normal(size=3)
equation(
    "eq-fisher",
    r"\max_w \frac{\bigl(w^\top (m_1 - m_0)\bigr)^2}{w^\top S\, w} = (m_1 - m_0)^\top S^{-1} "
    r"(m_1 - m_0) .",
    {
        r"\max_w \frac{(w^\top (m_1 - m_0))^2}{w^\top S w}": np.linalg.eigvals(
            np.linalg.solve(scatter, np.outer(m_1 - m_0, m_1 - m_0))
        ).real.max(),
        "m_1": m_1,
        "m_0": m_0,
        "S": scatter,
    },
)
other, shift = symmetric(3), RNG.normal(size=3)
here = MultivariateNormal(torch.tensor(m_0), torch.tensor(scatter))
there = MultivariateNormal(torch.tensor(shift), torch.tensor(other))
# Cross-entropy = entropy + KL.
advantage = here.entropy() - there.entropy() - kl_divergence(there, here)
equation(
    "eq-simple-wins",
    r"\mathbb E_{\text{odd}}[\log p(x)] - \mathbb E_{p}[\log p(x)] = \tfrac12 "
    r"\operatorname{tr}\bigl(C^{-1}(C - C')\bigr) - \tfrac12 (m' - m)^\top C^{-1} (m' - m) .",
    {
        r"\mathbb E_{\text{odd}}[\log p(x)]": -there.entropy() - kl_divergence(there, here),
        r"\mathbb E_{p}[\log p(x)]": -here.entropy(),
        "C": scatter,
        "C'": other,
        "m": m_0,
        "m'": shift,
    },
    unbreakable={"factors C^{-1} and (C - C') exchanged": "the trace is cyclic"},
)

# 11 Data augmentation -----------------------------------------------------------------------------

two, generated, bias, extra = 0.8, 0.5, 0.6, 0.3
noise_1 = np.random.default_rng(3).normal(size=(2, 200_000))
equation(
    "eq-mixture-error",
    r"\mathbb E\bigl[(\hat\theta_w - \theta)^2\bigr] = (1 - w)^2\, \frac{\sigma^2}{n} + w^2\, "
    r"(b^2 + v) .",
    {
        r"\mathbb E[\cdot]": lambda values: Estimate.of(torch.as_tensor(values)),
        r"\hat\theta_w": Samples(
            0.6 * (1.0 + 0.8 / math.sqrt(5) * noise_1[0])
            + 0.4 * (1.6 + math.sqrt(0.3) * noise_1[1])
        ),
        r"\theta": 1.0,
        "w": 0.4,
        r"\sigma": 0.8,
        "n": 5,
        "b": 0.6,
        "v": 0.3,
    },
)


def squared_error(w):
    return (1 - w) ** 2 * 0.64 / 5 + w**2 * (0.36 + 0.3)


weights_tried = np.linspace(0, 1, 1_000_001)
best = int(squared_error(weights_tried).argmin())
equation(
    "eq-best-weight",
    r"w^\star = \frac{\sigma^2 / n}{\sigma^2 / n + b^2 + v}, \qquad \min_w \mathbb "
    r"E\bigl[(\hat\theta_w - \theta)^2\bigr] = \Bigl( \frac{n}{\sigma^2} + \frac{1}{b^2 + v} "
    r"\Bigr)^{-1} .",
    {
        r"w^\star": weights_tried[best],
        r"\min_w \mathbb E[(\hat\theta_w - \theta)^2]": squared_error(weights_tried[best]),
        r"\sigma": 0.8,
        "n": 5,
        "b": 0.6,
        "v": 0.3,
    },
    rtol=1e-5,
)
equation(
    "eq-same-data",
    r"\mathbb E\bigl[(\hat\theta_w - \theta)^2\bigr] = \frac{\sigma^2}{n} + w^2\, "
    r"\frac{\sigma^2}{m} \;\ge\; \frac{\sigma^2}{n} .",
    [
        {
            # The mean of n draws, and that of m draws from the Gaussian that was fitted to them.
            r"\mathbb E[(\hat\theta_w - \theta)^2]": np.diag([0.64 / 5, 0.64 / 7])
            @ np.array([1, w]) ** 2
            @ np.ones(2)
            if w < 0
            else 0.64 / 5 + (w * 0.8) ** 2 / 7,
            "w": w,
            r"\sigma": 0.8,
            "n": 5,
            "m": 7,
        }
        for w in (0.0, 0.6)
    ],
)
closer = 0.3
equation(
    "eq-copying",
    r"P(\text{closer}) = p \cdot 1 + (1 - p) \cdot \tfrac12 = \tfrac12 + \tfrac p2 .",
    {r"P(\text{closer})": 1 - (1 - closer) / 2, "p": closer},
)
