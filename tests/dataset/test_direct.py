"""Large files go past the page cache, byte for byte, and where that is refused through it."""

from __future__ import annotations

import errno
import os
import random

import pytest

from evafast.dataset import direct
from evafast.dataset.direct import create_direct
from evafast.dataset.store import LocalStore

BUFFER = direct._BUFFER
needs_linux = pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="no O_DIRECT here")


def write(path, pieces):
    with create_direct(path) as stream:
        for piece in pieces:
            assert stream.write(piece) == len(piece)
        assert stream.tell() == sum(map(len, pieces))
        stream.flush()
        assert os.fstat(stream.fileno()).st_size == sum(map(len, pieces))


def pieces_of(*sizes):
    noise = random.Random(0)
    return [noise.randbytes(size) for size in sizes]


@pytest.fixture
def small_buffer(monkeypatch):
    monkeypatch.setattr(direct, "_BUFFER", 8192)


@pytest.mark.parametrize("sizes", [
    (), (0,), (1,), (4095,), (4096,), (8191,), (8192,), (8193,), (100, 8092, 1),
    (20_000, 3, 50_000, 4096), (5000,) * 30,
])  # fmt: skip
def test_every_byte_arrives(tmp_path, small_buffer, sizes):
    pieces = pieces_of(*sizes)
    write(tmp_path / "file", pieces)
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_writing_goes_on_after_a_flush_in_mid_block(tmp_path, small_buffer):
    pieces = pieces_of(5000, 30_000)
    with create_direct(tmp_path / "file") as stream:
        for piece in pieces:
            stream.write(piece)
            stream.flush()
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_what_was_not_flushed_is_written_on_leaving(tmp_path, small_buffer):
    with create_direct(tmp_path / "file") as stream:
        stream.write(b"abc")
    assert (tmp_path / "file").read_bytes() == b"abc"
    assert stream.closed
    stream.close()  # a second time does nothing


def test_leaving_on_an_error_writes_no_more(tmp_path, small_buffer, monkeypatch):
    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    stream = create_direct(tmp_path / "file")
    stream.write(b"abc")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(KeyError), stream:
        raise KeyError
    assert stream.closed


@needs_linux
def test_whole_buffers_are_written_directly_and_the_rest_is_not(
    tmp_path, small_buffer, monkeypatch
):
    import fcntl

    written, plainly = [], os.write

    def noted(file, data):
        written.append((len(data), bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)))
        return plainly(file, data)

    monkeypatch.setattr(os, "write", noted)
    write(tmp_path / "file", pieces_of(8192 + 4096 + 7))
    assert written == [(8192, True), (4096, True), (7, False)]


@needs_linux
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_without_direct_files_gets_an_ordinary_one(tmp_path, monkeypatch, code):
    plainly, refused = os.open, []

    def refusing(path, how, *mode):
        if how & os.O_DIRECT:
            refused.append(path)
            raise OSError(code, os.strerror(code))
        return plainly(path, how, *mode)

    monkeypatch.setattr(os, "open", refusing)
    write(tmp_path / "file", [b"abc"])
    assert refused
    assert (tmp_path / "file").read_bytes() == b"abc"


@needs_linux
def test_a_disk_that_refuses_a_direct_write_gets_an_ordinary_one(
    tmp_path, small_buffer, monkeypatch
):
    import fcntl

    plainly, refused = os.write, []

    def refusing(file, data):
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT:
            refused.append(len(data))
            raise OSError(errno.EINVAL, "Invalid argument")
        return plainly(file, data)

    monkeypatch.setattr(os, "write", refusing)
    pieces = pieces_of(20_000, 1)
    write(tmp_path / "file", pieces)
    assert refused == [8192]
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_a_short_write_is_gone_on_with(tmp_path, small_buffer, monkeypatch):
    plainly = os.write
    monkeypatch.setattr(os, "write", lambda file, data: plainly(file, data[:4096]))
    pieces = pieces_of(30_000)
    write(tmp_path / "file", pieces)
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


@needs_linux
@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE])
def test_other_errors_are_not_taken_for_a_refusal(tmp_path, monkeypatch, code):
    def failing(path, how, *mode):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(OSError, match=os.strerror(code)):
        create_direct(tmp_path / "file")


def test_files_are_what_open_would_make(tmp_path):
    with create_direct(tmp_path / "direct") as stream:
        stream.write(b"abc")
    (tmp_path / "plain").write_bytes(b"abc")
    assert (tmp_path / "direct").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_large_file_of_a_store_appears_whole_or_not_at_all(tmp_path):
    store = LocalStore(tmp_path)
    data = pieces_of(BUFFER + 5)[0]
    with store.writing("folder/large", large=True) as stream:
        stream.write(data)
        assert not store.exists("folder/large")
    assert store.read("folder/large") == data
    writing = store.writing("other", large=True)
    writing.__enter__().write(data)
    assert writing.__exit__(KeyError, KeyError("interrupted"), None) is False
    assert store.names() == ["folder/large"]
