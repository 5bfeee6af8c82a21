"""Data: values, splits, MNIST's files whole and damaged, downloads that go wrong."""

import gzip
import hashlib
import socket
import struct
import time
import tracemalloc
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pooch
import pytest
import torch
from sklearn.datasets import load_digits as embedded_digits

from experiments.digit_writers import align_labels
from vqvae_lib.data import (
    FORM_STARTS,
    WRITERS,
    ImageData,
    binarise,
    extract_patches,
    load_digits,
    load_mnist,
    load_photographs,
    random_manifold,
    split_photographs,
)
from vqvae_lib.data import _mnist_files as files
from vqvae_lib.data import photographs as photographs_module
from vqvae_lib.splits import NO_GROUP, GroupFold, RandomSplit

# ---------------------------------------------------------------- digits


PARTS = ("train", "valid", "test")


def rows_of(digits):
    """Find each image's row in scikit-learn's file, part by part; images are all different."""
    place = {tuple(row): i for i, row in enumerate(embedded_digits().data.astype(int))}
    assert len(place) == 1797
    parts = (getattr(digits, f"x_{part}") * 16 for part in PARTS)
    return [np.array([place[tuple(map(int, row))] for row in x]) for x in parts]


@pytest.mark.parametrize("split", [WRITERS, GroupFold(5), RandomSplit(seed=3)])
def test_the_parts_hold_every_digit_once_with_its_label_and_writer(split):
    digits, target = load_digits(split=split), embedded_digits().target
    rows = rows_of(digits)
    assert sorted(np.concatenate(rows)) == list(range(1797))
    for part, there in zip(PARTS, rows, strict=True):
        np.testing.assert_array_equal(getattr(digits, f"y_{part}"), target[there])
        writers = np.searchsorted(FORM_STARTS, there, side="right") - 1
        np.testing.assert_array_equal(getattr(digits, f"group_{part}"), writers)


def test_new_people_validate_and_test():
    digits = load_digits()
    assert repr(digits) == (
        "ImageData('digits', 1157 training, 258 validation and 382 test images of 8x8, "
        "16 grey levels above black)"
    )
    writers = [set(getattr(digits, f"group_{part}").tolist()) for part in PARTS]
    assert writers == [set(range(9)), {9, 10}, {11, 12, 13}]
    # In file order they are one block after the other.
    train, valid, test = rows_of(digits)
    assert train.max() + 1 == valid.min() == 1157
    assert valid.max() + 1 == test.min() == 1415
    shares = digits.y_test.bincount() / len(digits.y_test)
    assert ((shares > 0.09) & (shares < 0.104)).all()


def test_the_first_images_of_a_part_are_a_fair_sample_of_its_writers():
    digits = load_digits()
    counts = digits.group_train[:270].bincount(minlength=9)
    assert counts.shape == (9,)
    assert counts.min() >= 15  # 30 expected, standard deviation 5


def test_each_writer_is_tested_in_one_fold_of_seven():
    tested = [load_digits(split=GroupFold(k)).group_test.unique().tolist() for k in range(7)]
    assert tested == [[k, k + 7] for k in range(7)]


def test_a_split_by_image_has_the_same_sizes_and_every_writer_everywhere():
    digits = load_digits(split=RandomSplit(seed=0))
    assert [len(getattr(digits, f"x_{part}")) for part in PARTS] == [1157, 258, 382]
    for part in PARTS:
        assert getattr(digits, f"group_{part}").unique().tolist() == list(range(14))


def test_the_forms_begin_where_the_template_of_labels_begins_again():
    alignment = align_labels(embedded_digits().target)
    assert tuple(alignment["starts"]) == FORM_STARTS
    assert alignment["missing"] == 23
    assert alignment["slips"] == [385]


def fits_template(labels, template, slips):
    """Whether labels are the template with fields left out, and so many labels altered."""
    # reach[j]: fewest alterations that match the labels so far within the first j fields.
    reach = np.zeros(len(template) + 1)
    for label in labels:
        matched = reach[:-1] + (template != label)  # this label stands on field j
        reach = np.concatenate([[np.inf], np.minimum.accumulate(matched)])
    return reach[-1] <= slips


def test_no_other_boundary_fits_the_template():
    """By another road than the alignment: each form fits by itself, and not an image longer."""
    target = embedded_digits().target
    template = target[:130]
    assert template[:30].tolist() == [*range(10)] * 3
    ends = [*FORM_STARTS, len(target)]
    assert len(FORM_STARTS) == 14
    for form, (start, end) in enumerate(pairwise(ends)):
        assert fits_template(target[start:end], template, slips=form == 2)
        if end < len(target):
            assert not fits_template(target[start : end + 1], template, slips=form == 2), form
        if start > 0:
            assert not fits_template(target[start - 1 : end], template, slips=form == 2), form


def test_digits_of_another_size():
    small, large = load_digits(), load_digits(size=28)
    assert large.image_shape == (28, 28)
    assert large.D == 784
    assert large.levels == 255
    assert torch.equal(large.y_train, small.y_train)
    torch.testing.assert_close((large.x_train * 255).round() / 255, large.x_train)
    # The same pictures: averaged back to 8x8 they look like the small ones.
    back = torch.nn.functional.adaptive_avg_pool2d(large.images(large.x_test), 8).flatten(1)
    correlation = torch.corrcoef(torch.stack([back.flatten(), small.x_test.flatten()]))[0, 1]
    assert correlation > 0.97


def test_images_fold_rows():
    digits = load_digits()
    folded = digits.images(digits.x_train[:3])
    assert folded.shape == (3, 8, 8)
    assert folded[1, 2, 3] == digits.x_train[1, 2 * 8 + 3]
    with pytest.raises(ValueError, match=r"x has shape \(3, 63\): expected \(N, 64\)"):
        digits.images(torch.zeros(3, 63))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x_test": torch.zeros(2, 5)}, ValueError, r"x_test has shape \(2, 5\): .* \(N, 4\)"),
        ({"x_train": torch.zeros(2, 4) > 0}, TypeError, "x_train has dtype torch.bool"),
        (
            {"y_train": np.array(["cat", "dog"])},
            TypeError,
            r"y_train is an array of dtype <U3: .*np.unique\(y_train, return_inverse=True\)\[1\]",
        ),
        ({"y_train": None}, TypeError, r"y_train is None: .* np.zeros\(2, dtype=int\), for data"),
        ({"image_shape": (3, 2, 2)}, ValueError, r"image_shape=\(3, 2, 2\): .* take one colour"),
        ({"image_shape": (2**16, 2**16)}, ValueError, r"image_shape=\(65536, 65536\): .* at most"),
        ({"image_shape": 4}, TypeError, r"image_shape is a int: expected \(height, width\)"),
        ({"levels": 0}, ValueError, "levels=0: expected a whole number"),
        (
            {"x_train": np.full((2, 4), 200, np.uint8)},
            ValueError,
            "expected .*, such as bytes / 255",
        ),
        ({"y_valid": torch.zeros(3).long()}, ValueError, r"y_valid has shape \(3,\) and x_valid"),
        ({"group_test": torch.zeros(3).long()}, ValueError, "group_test .* same number of rows"),
        ({"y_test": torch.zeros(2)}, TypeError, "y_test has dtype torch.float32"),
        (
            {"x_train": torch.full((2, 4), torch.nan)},
            ValueError,
            r"x_train of shape \(2, 4\) has values from nan to nan",
        ),
        (
            {"x_valid": torch.full((2, 4), 1.5)},
            ValueError,
            r"x_valid .* from 1\.5 to 1\.5: expected \[0, 1\]",
        ),
        ({"x_train": torch.full((2, 4), -0.5)}, ValueError, r"x_train .* from -0\.5"),
    ],
)
def test_image_data_refuses_what_does_not_fit(change, error, message):
    columns = {}
    for part in PARTS:
        columns |= {f"x_{part}": torch.zeros(2, 4), f"y_{part}": torch.zeros(2).long()}
        columns |= {f"group_{part}": torch.zeros(2).long()}
    columns |= {"image_shape": (2, 2), "levels": 1}
    assert ImageData("good", **columns).D == 4
    with pytest.raises(error, match=message):
        ImageData("bad", **columns | change)


def test_image_data_of_arrays_are_those_of_tensors():
    rng, columns = np.random.default_rng(0), {}
    for part in PARTS:
        columns |= {f"x_{part}": rng.random((3, 4)), f"y_{part}": rng.integers(5, size=3)}
        columns |= {f"group_{part}": np.array([0, 1, -1], np.int8)}
    data = ImageData("mine", **columns, image_shape=np.array([2, 2]), levels=np.int64(255))
    for part in PARTS:
        x = getattr(data, f"x_{part}")
        assert x.dtype == torch.float32
        np.testing.assert_allclose(x, columns[f"x_{part}"], rtol=1e-7)
        for column in (f"y_{part}", f"group_{part}"):
            assert getattr(data, column).dtype == torch.int64
            np.testing.assert_array_equal(getattr(data, column), columns[column])
    assert repr(data).endswith("2x2, 255 grey levels above black)")
    assert data.image_shape == (2, 2)


def test_images_know_what_raw_levels_went_through():
    digits = load_digits()
    raw = torch.from_numpy(embedded_digits().data)[:1157].reshape(
        -1, 8, 8
    )  # the writers that train
    x = digits.scaling.transform(raw)
    assert {tuple(row.tolist()) for row in x} == {tuple(row.tolist()) for row in digits.x_train}
    torch.testing.assert_close(digits.scaling.inverse(x), raw.double())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load_digits(size=7), "size=7: expected a whole number from 8 to 256"),
        (lambda: load_digits(size=28.0), "size=28.0"),
        (
            lambda: load_digits(split=GroupFold(14, n_folds=15)),
            "groups 0, .*, 13 leave fold 14 or 0 of 15 empty: expected fewer folds",
        ),
        (
            lambda: binarise(torch.tensor([0.5, torch.nan]), generator=torch.Generator()),
            "x .* from nan to nan",
        ),
        (
            lambda: binarise(torch.tensor([0.5, 1.01]), generator=torch.Generator()),
            r"x .* from 0\.5 to 1\.01",
        ),
        (lambda: extract_patches({}, size=3, count=1, seed=0), "photographs is empty"),
        (
            lambda: extract_patches({"a": torch.zeros(9, 2)}, size=3, count=1, seed=0),
            r"photograph 'a' has shape \(9, 2\): expected at least size=3",
        ),
        (lambda: extract_patches({"a": torch.zeros(9, 9)}, size=3, count=0, seed=0), "count=0"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_binarise_draws_with_the_grey_value_as_probability():
    x = torch.tensor([0.0, 0.2, 0.9, 1.0]).repeat(20000, 1)
    drawn = binarise(x, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == x.dtype
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    # Standard error at most 0.0028.
    torch.testing.assert_close(drawn.mean(0), x[0], atol=0.012, rtol=0)
    assert torch.equal(drawn, binarise(x, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(drawn, binarise(x, generator=torch.Generator().manual_seed(1)))


# ---------------------------------------------------------------- photographs


def test_photographs_need_no_network(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("a photograph was asked of the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setenv("SKIMAGE_DATADIR", str(tmp_path))
    photographs = load_photographs()
    assert len(photographs) >= 10
    for name, picture in photographs.items():
        assert picture.ndim == 2, name
        assert picture.dtype == torch.float32, name
        assert min(picture.shape) >= 256, name
        assert picture.min() >= 0, name
        assert picture.max() <= 1, name
        assert picture.std() > 0.05, name
    assert not list(tmp_path.iterdir())


def test_photographs_are_the_files_in_grey():
    import skimage
    from PIL import Image

    folder = Path(skimage.__file__).parent / "data"
    photographs = load_photographs()
    camera = np.asarray(Image.open(folder / "camera.png"))
    np.testing.assert_allclose(photographs["camera"], camera / 255, atol=1e-6)
    # Luminance of ITU-R BT.709.
    coffee = np.asarray(Image.open(folder / "coffee.png").convert("RGB")) / 255
    expected = coffee @ [0.2125, 0.7154, 0.0721]
    np.testing.assert_allclose(photographs["coffee"], expected, atol=1e-6)


def test_missing_photographs_are_named(monkeypatch):
    monkeypatch.setitem(photographs_module._FILES, "gone", "gone.png")
    with pytest.raises(FileNotFoundError, match=r"holds no gone\.png"):
        load_photographs()


def test_patches_are_where_they_say_and_everywhere_equally_often():
    # Each pixel's value is its own address, so a patch tells where it was cut.
    pictures = {"a": torch.arange(20.0).reshape(4, 5), "b": 100 + torch.arange(12.0).reshape(3, 4)}
    patches = extract_patches(pictures, size=3, count=16000, seed=0)
    assert patches.shape == (16000, 9)
    corners, counts = patches[:, 0].unique(return_counts=True)
    assert corners.tolist() == [0, 1, 2, 5, 6, 7, 100, 101]
    # 8 places, 2000 each expected, standard deviation 42.
    assert (counts - 2000).abs().max() < 170
    for patch in patches[:50]:
        width = 5 if patch[0] < 100 else 4
        offsets = torch.tensor([[i * width + j for j in range(3)] for i in range(3)])
        assert torch.equal(patch, patch[0] + offsets.flatten())
    assert torch.equal(patches, extract_patches(pictures, size=3, count=16000, seed=0))
    assert not torch.equal(patches, extract_patches(pictures, size=3, count=16000, seed=1))


def test_patches_of_a_part_come_from_its_own_photographs():
    pictures = {name: torch.full((20, 20), float(i)) for i, name in enumerate("abcd")}
    parts = split_photographs(pictures, valid="c", test=["b"])

    def greys(part):
        return set(extract_patches(part, size=5, count=200, seed=0).unique().tolist())

    assert [greys(part) for part in (parts.train, parts.valid, parts.test)] == [{0, 3}, {2}, {1}]
    assert split_photographs(pictures, test=["a"]).valid == {}


def test_one_name_is_no_list_of_letters():
    pictures = {name: torch.zeros(9, 9) for name in ("cat", "coins", "moon")}
    parts = split_photographs(pictures, valid="coins", test="moon")
    assert [list(part) for part in vars(parts).values()] == [["cat"], ["coins"], ["moon"]]


@pytest.mark.parametrize(
    ("valid", "test", "message"),
    [
        ([], ["moon", "mars"], r"test=.* no photographs \['mars', 'moon'\]; .* \['a', 'b'\]"),
        (["a"], ["a"], r"photographs \['a'\] validate and test"),
        (["a"], [], r"test=\(\): expected at least one"),
        (["a"], ["b"], r"test=\('b',\): expected at least one picture to train"),
    ],
)
def test_photographs_that_cannot_be_split_are_named(valid, test, message):
    pictures = {"a": torch.zeros(9, 9), "b": torch.zeros(9, 9)}
    with pytest.raises(ValueError, match=message):
        split_photographs(pictures, valid=valid, test=test)


# ---------------------------------------------------------------- MNIST's files

REAL = Path(__file__).parents[2] / "shared" / "data" / "mnist"


def load_small(*arguments, **options):
    """The small MNIST of these tests: 42 images to train on, 8 to validate, 20 to test."""
    return load_mnist(*arguments, valid_size=8, **options)


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (50, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 50, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 20, dtype=np.uint8),
    }


@pytest.fixture
def packed(arrays, monkeypatch):
    """A small MNIST: its files by name, packed; the library is told their checksums."""
    monkeypatch.delenv("VQVAE_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda _: pytest.fail("the user's cache was touched"))
    contents, registry = {}, {}
    for key, array in arrays.items():
        content = idx(array)
        name = files.FILES[key].name
        contents[f"{name}.gz"] = gzip.compress(content, mtime=0)
        registry[key] = files.File(
            name,
            hashlib.sha256(contents[f"{name}.gz"]).hexdigest(),
            hashlib.sha256(content).hexdigest(),
        )
    monkeypatch.setattr(files, "FILES", registry)
    return contents


@pytest.fixture
def folder(packed, tmp_path):
    """The small MNIST as a folder of the reader's."""
    place = tmp_path / "mine"
    place.mkdir()
    for name, content in packed.items():
        (place / name).write_bytes(content)
    return place


def everything(place):
    return {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def test_mnist_from_a_folder(folder, arrays, monkeypatch):
    before = everything(folder)
    mnist = load_small(folder)
    x = {key: arrays[key].reshape(-1, 784) / np.float32(255) for key in ("x_train", "x_test")}
    np.testing.assert_array_equal(mnist.x_valid, x["x_train"][:8])
    np.testing.assert_array_equal(mnist.x_train, x["x_train"][8:])
    np.testing.assert_array_equal(mnist.x_test, x["x_test"])
    np.testing.assert_array_equal(mnist.y_valid, arrays["y_train"][:8])
    np.testing.assert_array_equal(mnist.y_train, arrays["y_train"][8:])
    np.testing.assert_array_equal(mnist.y_test, arrays["y_test"])
    assert {*mnist.group_train.tolist(), *mnist.group_valid.tolist()} == {NO_GROUP}
    assert repr(mnist) == (
        "ImageData('mnist', 42 training, 8 validation and 20 test images of 28x28, "
        "255 grey levels above black)"
    )
    monkeypatch.setenv("VQVAE_DATA_DIR", str(folder))
    assert torch.equal(load_small().x_train, mnist.x_train)
    folder.rename(folder.with_name("mnist"))
    monkeypatch.setenv("VQVAE_DATA_DIR", str(folder.parent))
    assert torch.equal(load_small().x_train, mnist.x_train)
    assert everything(folder.with_name("mnist")) == before


def test_mnist_unpacked_or_packed_otherwise(folder, packed, arrays):
    for name, content in packed.items():
        (folder / name).unlink()
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    np.testing.assert_array_equal(load_small(folder).y_train, arrays["y_train"][8:])
    for name, content in packed.items():
        (folder / name.removesuffix(".gz")).unlink()
        other = gzip.compress(gzip.decompress(content), compresslevel=1)
        assert other != content
        (folder / name).write_bytes(other)
    np.testing.assert_array_equal(load_small(folder).y_train, arrays["y_train"][8:])


def test_mnist_in_several_gzip_members(folder, packed, arrays):
    for name, content in packed.items():
        whole = gzip.decompress(content)
        members = [gzip.compress(whole[i : i + 9]) for i in range(0, len(whole), 9)][:5]
        rest = whole[9 * len(members) :]
        (folder / name).write_bytes(b"".join([*members, gzip.compress(rest), bytes(16)]))
    np.testing.assert_array_equal(load_small(folder).y_train, arrays["y_train"][8:])


def test_a_path_with_a_tilde_begins_in_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    expected = load_small(folder).x_train
    assert torch.equal(load_small(f"~/{folder.name}").x_train, expected)
    monkeypatch.setenv("VQVAE_DATA_DIR", f"~/{folder.name}")
    assert torch.equal(load_small().x_train, expected)


@pytest.mark.parametrize("packed_as", ["gz", "several members", "unpacked"])
def test_a_file_far_too_long_is_refused_before_it_fills_the_memory(folder, monkeypatch, packed_as):
    monkeypatch.setattr(files, "MOST_BYTES", 1 << 20)
    path, zeros = folder / "train-images-idx3-ubyte.gz", bytes(64 << 20)
    content = gzip.compress(zeros) * (2 if packed_as == "several members" else 1)
    if packed_as == "unpacked":
        path.unlink()
        path, content = path.with_suffix(""), zeros
    path.write_bytes(content)
    del zeros, content
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"holds more than 1048576 bytes, which no file of MNIST"):
        load_small(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("seed", [None, -1, 0.5, "0", 2**64])
def test_a_seed_is_a_number_of_the_callers(folder, seed):
    pictures = {"a": torch.zeros(9, 9)}
    for call in (
        lambda: load_digits(split=RandomSplit(seed=seed)),
        lambda: load_small(folder, train_size=10, seed=seed),
        lambda: extract_patches(pictures, size=3, count=2, seed=seed),
        lambda: random_manifold(2, map_seed=seed, generator=torch.Generator()),
    ):
        with pytest.raises(ValueError, match=r"seed=.*: expected a whole number"):
            call()


def test_what_no_machine_could_hold_is_refused_before_memory_is_asked_for():
    generator = torch.Generator().manual_seed(0)
    for call, message in (
        (lambda: random_manifold(10**7, generator=generator), "N=10000000: .* from 1 to 2147483$"),
        (lambda: random_manifold(2, D=10**9, generator=generator), "D=1000000000"),
        (
            lambda: random_manifold(2, intrinsic_dim=10**9, generator=generator),
            "intrinsic_dim=1000000000",
        ),
        (
            lambda: extract_patches({"a": torch.zeros(99, 99)}, size=64, count=10**6, seed=0),
            "count=1000000: expected a whole number from 1 to 524287",
        ),
        (lambda: load_digits(size=10**6), "size=1000000: .* from 8 to 256"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_subsamples_are_drawn_once_and_nested(folder):
    whole = load_small(folder)
    small = load_small(folder, train_size=10, test_size=5)
    larger = load_small(folder, train_size=30)
    assert len(small.x_train) == 10
    assert len(small.x_test) == 5
    assert len(larger.x_test) == 20
    assert torch.equal(larger.x_train[:10], small.x_train)
    assert torch.equal(larger.y_train[:10], small.y_train)
    assert not torch.equal(load_small(folder, train_size=10, seed=1).x_train, small.x_train)
    # Drawn without repetition, each image with its own label.
    where = [(whole.x_train == row).all(dim=1).nonzero().item() for row in larger.x_train]
    assert len(set(where)) == 30
    assert torch.equal(whole.y_train[where], larger.y_train)
    # A small training part leaves the validation part as it is.
    assert torch.equal(small.x_valid, whole.x_valid)
    for size in (0, 43):
        with pytest.raises(ValueError, match=f"train_size={size}: .* from 1 to 42"):
            load_small(folder, train_size=size)
    for size in (0, 50):
        with pytest.raises(ValueError, match=f"valid_size={size}: .* from 1 to 49"):
            load_mnist(folder, valid_size=size)


def test_a_missing_file_is_named(folder):
    name = "t10k-labels-idx1-ubyte.gz"
    (folder / name).unlink()
    before = everything(folder)
    with pytest.raises(FileNotFoundError) as error:
        load_small(folder)
    assert str(folder) in str(error.value)
    assert name in str(error.value)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_small(folder / "nowhere")
    assert everything(folder) == before


def damages(content):
    middle = len(content) // 2
    yield "empty", b""
    yield "truncated", content[:middle]
    yield "one byte less", content[:-1] if content[:2] != b"\x1f\x8b" else content[:-9]
    yield "altered", content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    yield "something else", b"<html>Not found</html>"
    yield "a header alone", content[:10] + b"\xff" * 20


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_damaged_file_is_named_with_both_checksums(folder, packed, unpacked):
    name = "train-images-idx3-ubyte.gz"
    content, path = packed[name], folder / name
    if unpacked:
        path.unlink()
        content, path = gzip.decompress(content), folder / name.removesuffix(".gz")
    for damage, damaged in damages(content):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="truncated or altered") as error:
            load_small(folder)
        message = str(error.value)
        assert str(path) in message, damage
        assert files.FILES["x_train"].content in message, damage
        if unpacked:
            assert hashlib.sha256(damaged).hexdigest() in message, damage
        assert path.read_bytes() == damaged, damage


def test_labels_that_do_not_belong_to_the_images(folder, arrays, monkeypatch):
    content = idx(arrays["y_train"][:-1])
    old = files.FILES["y_train"]
    new = files.File(old.name, "", hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(files.FILES, "y_train", new)
    (folder / f"{old.name}.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=r"holds \(50, 28, 28\) and its labels \(49,\)"):
        load_small(folder)


@pytest.fixture(scope="module")
def real():
    try:
        return load_mnist(REAL if REAL.is_dir() else None, download=False)
    except FileNotFoundError:
        pytest.skip("MNIST is neither in VQVAE_DATA_DIR nor in the cache")


def test_the_real_files(real):
    assert real.x_train.shape == (55000, 784)
    assert real.x_valid.shape == (5000, 784)
    assert real.x_test.shape == (10000, 784)
    assert real.y_valid[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert real.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (real.y_train.bincount() + real.y_valid.bincount()).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    # The well-known mean and standard deviation of the training pixels.
    x = torch.cat([real.x_valid, real.x_train])
    assert x.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert x.std().item() == pytest.approx(0.3081, abs=5e-5)


def test_in_mnist_only_the_odd_rows_stand_in_writer_order(real):
    """The nearest image of the class is near in the file ten times more often than by chance."""
    x, y = real.x_valid, real.y_valid
    distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
    distance[y[:, None] != y] = torch.inf
    row = torch.arange(len(x))
    near = (distance.argmin(dim=1) - row).abs() < 100
    chance = 200 / len(x)
    odd, even = (near[row % 2 == parity].double().mean() for parity in (1, 0))
    assert odd > 5 * chance
    assert 0.5 * chance < even < 2 * chance


# ---------------------------------------------------------------- downloads


@contextmanager
def mirror(contents, log, faults=()):
    """A server of the files; each fault spoils one answer, in order, then all is well."""
    faults, over = list(faults), Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            fault = faults.pop(0) if faults else "none"
            log.append((name, fault))
            if fault == "error" or name not in contents:
                self.send_error(503)
                return
            content, middle = contents[name], len(contents[name]) // 2
            if fault == "altered":
                content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            elif fault == "short":
                content = content[:middle]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault in ("dies", "stalls"):
                content = content[:middle]
            self.wfile.write(content)
            self.wfile.flush()
            if fault == "stalls" and not over.wait(timeout=5):
                log.append((name, "nobody hung up"))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def cache(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(files, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(files, "TRIES", 1)
    return tmp_path / "cache" / "vqvae_lib" / "mnist"


def test_a_download_is_kept(packed, cache, arrays, monkeypatch):
    log = []
    with mirror(packed, log) as address:
        monkeypatch.setattr(files, "MIRRORS", (address,))
        first, again = load_small(), load_small()
    assert sorted(log) == sorted((name, "none") for name in packed)
    np.testing.assert_array_equal(first.y_train, arrays["y_train"][8:])
    assert torch.equal(first.x_test, again.x_test)
    assert everything(cache) == {Path(name): content for name, content in packed.items()}
    assert torch.equal(load_small(download=False).x_test, first.x_test)


@pytest.mark.parametrize("fault", ["altered", "short", "dies", "stalls", "error"])
def test_a_spoilt_download_is_redone_from_the_other_mirror(packed, cache, monkeypatch, fault):
    log, other_log = [], []
    with mirror(packed, log, [fault]) as address, mirror(packed, other_log) as other:
        monkeypatch.setattr(files, "MIRRORS", (address, other))
        load_small()
    spoilt = log[0][0]
    assert [seen for _, seen in log] == [fault, "none", "none", "none"]
    assert other_log == [(spoilt, "none")]
    assert everything(cache) == {Path(name): content for name, content in packed.items()}


@pytest.mark.parametrize("fault", ["altered", "short", "dies", "stalls", "error"])
def test_nothing_spoilt_stays_when_no_mirror_delivers(packed, cache, monkeypatch, fault):
    log = []
    with mirror(packed, log, [fault] * 2) as address:
        monkeypatch.setattr(files, "MIRRORS", (address, address))
        with pytest.raises(OSError, match=r"could not be downloaded.*VQVAE_DATA_DIR") as error:
            load_small()
        assert str(error.value).count(address) >= 2
        assert len(log) == 2
        assert everything(cache) == {}
        load_small()
    assert everything(cache) == {Path(name): content for name, content in packed.items()}


def test_a_mirror_is_asked_again_before_it_is_given_up(packed, cache, monkeypatch):
    monkeypatch.setattr(files, "TRIES", 2)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    log = []
    with mirror(packed, log, ["dies"]) as address:
        monkeypatch.setattr(files, "MIRRORS", (address,))
        load_small()
    assert [fault for _, fault in log] == ["dies", "none", "none", "none", "none"]


def test_a_file_spoilt_in_the_cache_is_fetched_again(packed, cache, monkeypatch):
    log = []
    with mirror(packed, log) as address:
        monkeypatch.setattr(files, "MIRRORS", (address,))
        load_small()
        name = "t10k-images-idx3-ubyte.gz"
        (cache / name).write_bytes(packed[name][:-50])
        log.clear()
        load_small()
    assert log == [(name, "none")]
    assert (cache / name).read_bytes() == packed[name]


def test_no_download_unless_allowed(packed, cache):
    with pytest.raises(FileNotFoundError, match="cache"):
        load_small(download=False)


def test_the_checksums_are_of_mnist_as_published():
    # From the mirrors' files as other projects have recorded them; the content's sums are held
    # against real files by `test_the_real_files`.
    assert {f.name: f.compressed[:8] for f in files.FILES.values()} == {
        "train-images-idx3-ubyte": "440fcabf",
        "train-labels-idx1-ubyte": "3552534a",
        "t10k-images-idx3-ubyte": "8d422c7b",
        "t10k-labels-idx1-ubyte": "f7ae60f9",
    }


# The curved surface -------------------------------------------------------------------------------


def test_the_surface_has_the_dimension_that_it_says():
    """Around one point, differences lie in as many directions as the surface has."""
    for k in (1, 2):
        x, u = random_manifold(
            20_000, D=50, intrinsic_dim=k, noise=0.0, generator=torch.Generator().manual_seed(0)
        )
        near = (u - u[0]).norm(dim=1).argsort()[1:60]
        values = torch.linalg.svdvals(x[near] - x[0])
        assert values[k - 1] > 0.2 * values[0]
        assert values[k] < values[k - 1] / 4  # what is left is the curvature


def test_the_surface_is_the_same_for_other_points():
    first, u = random_manifold(5, noise=0.0, generator=torch.Generator().manual_seed(0))
    _other, v = random_manifold(5, noise=0.0, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(u, v)
    again, _ = random_manifold(5, noise=0.0, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    elsewhere, _ = random_manifold(
        5, noise=0.0, map_seed=1, generator=torch.Generator().manual_seed(0)
    )
    assert not torch.allclose(first, elsewhere)


def test_the_surface_has_variance_one_and_the_noise_adds_its_own():
    x, _ = random_manifold(3000, noise=0.5, generator=torch.Generator().manual_seed(2))
    clean, _ = random_manifold(3000, noise=0.0, generator=torch.Generator().manual_seed(2))
    assert 0.7 < float(clean.square().mean()) < 1.3
    assert float((x - clean).std()) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"N": 0}, "N=0: expected"),
        ({"intrinsic_dim": 0}, "intrinsic_dim=0: expected"),
        ({"noise": -1}, "noise=-1: expected a finite number at least 0"),
    ],
)
def test_surfaces_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        random_manifold(**({"N": 3, "generator": torch.Generator()} | options))
