"""Metrics against scikit-learn, SciPy and the published floors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.neighbors import KNeighborsClassifier

from vqvae_lib import knn_accuracy, load_digits, mse, pca, pca_floor, principal_angles


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_mse_is_the_mean_over_everything():
    x, x_hat = torch.rand(2, 7, 5)
    assert mse(x, x_hat) == pytest.approx(np.mean((x.numpy() - x_hat.numpy()) ** 2), rel=1e-6)
    with pytest.raises(ValueError, match=r"x \(7, 5\) and x_hat \(5,\): expected the same"):
        mse(x, x_hat[0])


@pytest.mark.parametrize("k", [1, 5, 64])
def test_pca_is_scikit_learns(digits, k):
    x = digits.x_train.double()
    ours, theirs = pca(x, k), SklearnPCA(k, svd_solver="full").fit(x.numpy())
    N = len(x)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-13)
    np.testing.assert_allclose(
        ours.eigenvalues[:k] * N / (N - 1), theirs.explained_variance_, rtol=1e-9, atol=1e-12
    )
    # The last directions have no variance: any basis of them is right.
    found = min(k, 50)
    cosines = ours.components[:found].numpy() @ theirs.components_[:found].T
    np.testing.assert_allclose(np.abs(cosines), np.eye(found), atol=1e-7)
    np.testing.assert_allclose(
        ours.decode(ours.encode(x)),
        theirs.inverse_transform(theirs.transform(x.numpy())),
        atol=1e-10,
    )


def test_pca_keeps_type_and_promises(digits):
    fitted = pca(digits.x_train, 3)
    assert repr(fitted) == "PCA(k=3, D=64)"
    assert {t.dtype for t in (fitted.mean, fitted.components, fitted.eigenvalues)} == {
        torch.float32
    }
    assert fitted.components.shape == (3, 64)
    assert fitted.eigenvalues.shape == (64,)
    assert (fitted.eigenvalues.diff() <= 0).all()
    # The largest entry of each direction is positive, whatever the machine returned.
    assert (fitted.components.max(dim=1).values == fitted.components.abs().max(dim=1).values).all()
    # What is left out is what is lost.
    left = mse(digits.x_train, fitted.decode(fitted.encode(digits.x_train)))
    assert left * 64 == pytest.approx(fitted.eigenvalues[3:].sum().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("k", "error", "accuracy"),
    [(2, 0.0532, 0.617), (4, 0.0379, 0.853), (8, 0.0247, 0.953), (16, 0.0116, 0.975)],
)
def test_published_floors_of_the_digits(digits, k, error, accuracy):
    fitted = pca(digits.x_train, k)
    z_train, z_test = fitted.encode(digits.x_train), fitted.encode(digits.x_test)
    assert pca_floor(digits.x_train, digits.x_test, k) == pytest.approx(error, abs=6e-5)
    found = knn_accuracy(z_train, digits.y_train, z_test, digits.y_test)
    assert found == pytest.approx(accuracy, abs=6e-4)


def test_knn_is_scikit_learns_with_other_neighbours(digits):
    parts = (digits.x_train, digits.y_train, digits.x_test, digits.y_test)
    x, y, x_test, y_test = (t.numpy() for t in parts)
    expected = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
    assert knn_accuracy(*parts, neighbours=1) == expected
    assert knn_accuracy(*parts, neighbours=1) != knn_accuracy(*parts, neighbours=200)


@settings(max_examples=30, deadline=None)
@given(a=st.integers(1, 4), b=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_principal_angles_are_scipys(a, b, seed):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(6, a)), rng.normal(size=(6, b))
    found = principal_angles(torch.from_numpy(A), torch.from_numpy(B))
    assert found.shape == (min(a, b),)
    np.testing.assert_allclose(found, subspace_angles(A, B)[::-1], atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.5, np.pi / 2])
def test_principal_angles_of_a_turned_plane(angle):
    A = torch.eye(4, dtype=torch.float64)[:, :2]
    turned = [[3.0, 0], [0, np.cos(angle)], [0, np.sin(angle)], [0, 0]]
    B = torch.tensor(turned, dtype=torch.float64)
    np.testing.assert_allclose(principal_angles(A, B), [0, angle], atol=1e-15, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pca(torch.zeros(5), 1), r"x has shape \(5,\): expected \(N, D\)"),
        (lambda: pca(torch.zeros(5, 3), 4), r"k=4 does not fit x of shape \(5, 3\): .* 1 to 3"),
        (lambda: pca(torch.full((5, 3), torch.nan), 1), "x holds nan or inf"),
        (lambda: pca_floor(torch.zeros(5, 3), torch.zeros(5, 4), 1), r"x_test has .*\(5, 4\)"),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(9, 2), (9,), (4, 3), (4,)])),
            r"z_test \(4, 3\) and y_test \(4,\)",
        ),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(9, 2), (8,), (4, 2), (4,)])),
            r"z_train \(9, 2\) and y_train \(8,\)",
        ),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(4, 2), (4,), (4, 2), (4,)])),
            "neighbours=5: expected 1 to 4",
        ),
        (lambda: principal_angles(torch.eye(3), torch.eye(4)), r"A \(3, 3\) and B \(4, 4\)"),
        (lambda: principal_angles(torch.eye(3), torch.ones(3, 2)), r"B \(3, 2\) has rank 1"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
