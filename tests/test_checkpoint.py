"""Files of tensors and JSON: whole or not at all, whoever else reads, writes or forges them."""

import errno
import json
import multiprocessing
import os
import random
import resource
import stat
import struct
import threading

import pytest
import torch
from safetensors.torch import save

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint

TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
INFO = {"kind": "a test", "numbers": [1, 2.5, None]}


def write(path, value=0.0):
    write_checkpoint(path, {"w": torch.full((200,), float(value))}, INFO)


def same(tensors, expected):
    return tensors.keys() == expected.keys() and all(
        torch.equal(tensors[name], expected[name]) for name in expected
    )


# Writing ------------------------------------------------------------------------------------------


def test_what_was_written_comes_back_and_nothing_else_is_left(tmp_path):
    write_checkpoint(tmp_path / "new" / "run", TENSORS, INFO)
    tensors, info = read_checkpoint(tmp_path / "new" / "run")
    assert same(tensors, TENSORS)
    assert info == INFO
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run"]


def test_a_file_of_the_user_s_that_looks_temporary_is_left_alone(tmp_path):
    for name in ("run.tmp", ".run.tmp", ".run..tmp"):
        (tmp_path / name).write_text("mine")
    write(tmp_path / "run")
    for name in ("run.tmp", ".run.tmp", ".run..tmp"):
        assert (tmp_path / name).read_text() == "mine"


def test_a_long_name_is_as_good_as_any(tmp_path):
    path = tmp_path / ("ä" * 120)  # 240 bytes of the 255 that a name may have
    write(path)
    assert read_checkpoint(path)[1] == INFO


def _write_often(path, value, times):
    for _ in range(times):
        write(path, value)


def test_processes_that_write_to_one_path_never_show_a_reader_a_part_of_a_file(tmp_path):
    path = tmp_path / "run"
    write(path)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(path, i, 60)) for i in (1, 2, 3)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        w = read_checkpoint(path)[0]["w"]
        assert w.unique().numel() == 1
        seen.add(w[0].item())
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert read_checkpoint(path)[0]["w"][0].item() in (1, 2, 3)
    assert seen <= {0, 1, 2, 3}
    assert list(tmp_path.iterdir()) == [path]


def test_threads_may_write_to_one_path_too(tmp_path):
    path, errors = tmp_path / "run", []

    def work(i):
        try:
            _write_often(path, i, 20)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    read_checkpoint(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("function", ["os.fsync", "os.replace"])
def test_a_full_disk_names_the_file_and_leaves_the_former_one(function, tmp_path, monkeypatch):
    path = tmp_path / "run"
    write(path, 1)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(function, full)
    with pytest.raises(OSError, match="No space left on device; what was there") as raised:
        write(path, 2)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _write_with_little_room(path, connection):
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    try:
        write(path, 2)
    except OSError as error:
        connection.send((error.errno, error.filename))


def test_a_file_that_does_not_fit_leaves_nothing_behind(tmp_path):
    """By the system's own refusal, in the middle of the file."""
    path = tmp_path / "run"
    write(path, 1)
    before = path.read_bytes()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    writer = context.Process(target=_write_with_little_room, args=(path, theirs))
    writer.start()
    writer.join()
    assert ours.recv() == (errno.EFBIG, str(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _write_and_die(path):
    os.replace = lambda *_: os._exit(9)
    write(path, 2)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "run[1]"
    write(path, 1)
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        writer = context.Process(target=_write_and_die, args=(path,))
        writer.start()
        writer.join()
        assert writer.exitcode == 9
        assert len(list(tmp_path.iterdir())) == 2
    assert read_checkpoint(path)[0]["w"][0] == 1
    write(path, 3)
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_of_another_who_is_writing_is_not_removed(tmp_path, monkeypatch):
    path, replace = tmp_path / "run", os.replace

    def replace_late(source, target):
        monkeypatch.setattr(os, "replace", replace)
        write(path, 2)  # another, in the meantime
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_late)
    write(path, 1)
    assert read_checkpoint(path)[0]["w"][0] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"a device .*pipe"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_folder_is_not_a_path_for_a_file(tmp_path):
    with pytest.raises(OSError, match="folder") as raised:
        write(tmp_path)
    assert raised.value.filename == str(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file/run"):
        write(tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_is_written_through(tmp_path):
    target, link = tmp_path / "there" / "run", tmp_path / "here" / "latest"
    link.parent.mkdir()
    target.parent.mkdir()
    write(target, 1)
    link.symlink_to("../there/run")
    write(link, 2)
    assert link.is_symlink()
    assert os.readlink(link) == "../there/run"
    assert read_checkpoint(target)[0]["w"][0] == 2
    target.unlink()  # a link to what is not there yet
    write(link, 3)
    assert link.is_symlink()
    assert read_checkpoint(target)[0]["w"][0] == 3


def test_a_circle_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="circle of links"):
        write(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()


def test_permissions_are_kept_and_new_files_have_those_of_any_new_file(tmp_path):
    path, plain = tmp_path / "run", tmp_path / "plain"
    write(path)
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    for mode in (0o600, 0o664, 0o640):
        path.chmod(mode)
        write(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give")
def test_a_file_stays_its_owner_s_when_root_writes_it(tmp_path):
    path = tmp_path / "run"
    write(path)
    os.chown(path, 1234, 1235)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_the_new_name_is_flushed_to_disk_as_well(tmp_path, monkeypatch):
    flushed, real = [], os.fsync

    def fsync(descriptor):
        flushed.append(os.fstat(descriptor))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "run")
    assert [stat.S_ISDIR(status.st_mode) for status in flushed] == [False, True]
    assert flushed[1].st_ino == tmp_path.stat().st_ino


# Damaged files ------------------------------------------------------------------------------------


def test_no_flipped_byte_passes(tmp_path):
    path = tmp_path / "run"
    write_checkpoint(path, TENSORS, INFO)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for flip in (1, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= flip
            path.write_bytes(damaged)
            try:
                tensors, info = read_checkpoint(path)
            except ValueError:
                continue
            assert same(tensors, TENSORS)  # a byte of the padding
            assert info == INFO


def test_no_truncated_file_passes(tmp_path):
    path = tmp_path / "run"
    write_checkpoint(path, TENSORS, INFO)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated or altered"):
            read_checkpoint(path)


def test_a_header_longer_than_the_file_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "run"
    for length in (2**63 - 1, 2**64 - 1, 10**12, 1000):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(ValueError, match=f"header has {length} bytes, and 2 are there"):
            read_checkpoint(path)


def test_of_a_large_foreign_file_only_the_header_is_read(tmp_path):
    path = tmp_path / "foreign"
    header = json.dumps({"w": {"dtype": "U8", "shape": [1 << 40], "data_offsets": [0, 1 << 40]}})
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header.encode())
        try:
            file.truncate(8 + len(header) + (1 << 40))  # a file of holes
        except OSError:
            pytest.skip("this disk knows no holes")
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(path)


# Files of other makers ----------------------------------------------------------------------------


def odd_values():
    deep = "[" * 100_000 + "]" * 100_000
    values = [None, True, 0, -1, 1.5, 10**400, "", "text", "\ud800", [], [1], {}, {"a": 1}]
    return [*map(json.dumps, values), "NaN", "-Infinity", deep, "{", "", "nul", '{"a": NaN}']


def test_files_of_other_makers_are_refused_in_one_sentence(tmp_path):
    """Some hundred valid safetensors files, with metadata of all kinds."""
    path, count, rng = tmp_path / "foreign", 0, random.Random(0)
    tensors = save(TENSORS)
    body = tensors[8 + struct.unpack("<Q", tensors[:8])[0] :]
    entries = json.loads(tensors[8 : 8 + struct.unpack("<Q", tensors[:8])[0]])
    for info in odd_values():
        for sha256 in (None, "0", "text"):
            for extra in ({}, {"format": "pt"}):
                metadata = {"info": info, **extra} | ({} if sha256 is None else {"sha256": sha256})
                if rng.random() < 0.2:
                    metadata.pop("info")
                header = json.dumps({"__metadata__": metadata, **entries}).encode()
                path.write_bytes(struct.pack("<Q", len(header)) + header + body)
                with pytest.raises(ValueError, match="foreign is") as raised:
                    read_checkpoint(path)
                assert "\n" not in str(raised.value)
                count += 1
    for metadata in odd_values():  # a header that is no table of texts
        header = f'{{"__metadata__": {metadata or "null"}}}'.encode()
        for content in (header, metadata.encode()):
            path.write_bytes(struct.pack("<Q", len(content)) + content)
            with pytest.raises(ValueError, match="foreign is"):
                read_checkpoint(path)
            count += 1
    assert count > 150


def test_random_bytes_are_refused(tmp_path):
    path, rng = tmp_path / "noise", random.Random(0)
    for length in range(0, 300, 3):
        path.write_bytes(rng.randbytes(length))
        with pytest.raises(ValueError, match="noise is"):
            read_checkpoint(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "none")
    with pytest.raises(ValueError, match="a folder or a device"):
        read_checkpoint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="a folder or a device"):
        read_checkpoint(tmp_path / "pipe")
