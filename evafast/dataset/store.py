"""Store: where a dataset is kept, in a local folder or at an fsspec address; writes are atomic.

A file appears under its name only when it is complete: locally it is written under a temporary
name, flushed and renamed; remotely it is committed in one operation.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from evafast.errors import RunError, UsageError, quoted

WORKING_FOLDER = ".evafast"
"""Holds a run's plan, journal, lock and unfinished files; later only the manifest's copy."""

_CHUNK = 1 << 20
_OPEN_STREAMS = 8


def open_store(out: str | os.PathLike[str]) -> Store:
    """Return the store at a path or an address such as ``s3://bucket/set``; see `RemoteStore`."""
    text = os.fspath(out)
    if "://" in text and not text.startswith("file://"):
        return RemoteStore(text)
    return LocalStore(Path(text.removeprefix("file://")))


@contextmanager
def creating(store: Store, name: str) -> Iterator[NewFile]:
    """Write a file that appears only if the block succeeds."""
    file = store.create(name)
    try:
        yield file
        file.commit()
    finally:
        file.discard()


class _AnyStore:
    def __init__(self, place: str) -> None:
        self._place = place

    def __str__(self) -> str:
        return self._place

    @contextmanager
    def one_line_errors(self) -> Iterator[None]:
        """Turn file system errors into a one-line `RunError`."""
        try:
            yield
        except OSError as error:
            what, advice = error.strerror or str(error) or type(error).__name__, "fix it"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                what, advice = "no space left", "free some"
            raise RunError(
                f"out: {' '.join(what.split())} at {quoted(self)}; {advice} and run the same "
                "command to resume"
            ) from None

    def exists(self, name: str) -> bool:
        """Return whether a complete file is there."""
        return cast(Store, self).size(name) is not None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file atomically."""
        with creating(cast(Store, self), name) as file:
            file.write(data)

    def chunks(self, name: str, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file, or of a range of it, up to the end of the file."""
        with cast(Store, self).open(name) as stream:
            stream.seek(offset)
            while chunk := stream.read(_CHUNK if size is None else min(size, _CHUNK)):
                yield chunk
                size = None if size is None else size - len(chunk)


class LocalStore(_AnyStore):
    """A folder on this machine. File names are relative paths with ``/``."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root
        if os.path.lexists(root) and not root.is_dir():
            raise UsageError(
                f"out: expected a folder, got {quoted(root)}, which is a file; choose another"
            )

    def read(self, name: str) -> bytes:
        """Return a file's bytes; FileNotFoundError if it is missing."""
        return (self.root / name).read_bytes()

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return `size` bytes of a file, starting at `offset`."""
        with open(f"{self.root}/{name}", "rb", buffering=0) as stream:
            stream.seek(offset)
            return stream.read(size)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return (self.root / name).open("rb")

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, or None if there is no such file."""
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def names(self) -> list[str]:
        """Return the names of all files, sorted, except those of the working folder."""
        found = []
        for parent, folders, files in os.walk(self.root):
            if parent == str(self.root):
                folders[:] = [f for f in folders if f != WORKING_FOLDER]
            files += [f for f in folders if os.path.islink(os.path.join(parent, f))]  # not followed
            found += [os.path.relpath(os.path.join(parent, f), self.root) for f in files]
        return sorted(name.replace(os.sep, "/") for name in found)

    def create(self, name: str) -> NewFile:
        """Start writing a file; it appears when it is committed, or never."""
        return _NewLocalFile(self, name)

    def clear_working_folder(self, keep: str) -> None:
        """Empty the working folder, which only evafast writes, except for one file."""
        for entry in (self.root / WORKING_FOLDER).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry != self.root / keep:
                entry.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the dataset, at most until this process ends; `UsageError` if another run has it."""
        from filelock import FileLock, Timeout

        with self.one_line_errors():
            (self.root / WORKING_FOLDER).mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / WORKING_FOLDER / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise UsageError(
                    f"out: another run is writing {quoted(self)}; wait for it or choose another "
                    "--out"
                ) from None
        try:
            yield
        finally:
            lock.release()


class RemoteStore(_AnyStore):
    """A folder at an fsspec address. Nothing locks it: only one run may write to it.

    Raise `UsageError` if fsspec cannot open it: unknown protocol, no package, no credentials.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._connect()

    def _connect(self) -> None:
        import fsspec

        try:
            self._connected, self._root = fsspec.core.url_to_fs(self._place)
            with suppress(OSError):
                self._connected.info(self._root)  # without credentials it fails here
        except Exception as error:  # every protocol's package has its own
            raise UsageError(
                f"out: cannot open {quoted(self)}: {' '.join(str(error).split())}"
            ) from None
        self._process = os.getpid()
        self._streams = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make an unpickled store connect by itself."""
        return RemoteStore, (self._place,)

    @property
    def _files(self) -> Any:
        """The file system; a forked process reconnects, as fsspec requires."""
        if self._process != os.getpid():
            self._connect()
        return self._connected

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def read(self, name: str) -> bytes:
        """See `LocalStore`."""
        return cast(bytes, self._files.cat_file(self._path(name)))

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """See `LocalStore`; each thread keeps some streams open, so that fsspec can read ahead."""
        files = self._files
        streams = self._streams.__dict__
        if name not in streams:
            if len(streams) >= _OPEN_STREAMS:
                streams.pop(next(iter(streams))).close()
            streams[name] = files.open(self._path(name), "rb")
        streams[name].seek(offset)
        return cast(bytes, streams[name].read(size))

    def open(self, name: str) -> BinaryIO:
        """See `LocalStore`."""
        return cast(BinaryIO, self._files.open(self._path(name), "rb"))

    def size(self, name: str) -> int | None:
        """See `LocalStore`."""
        try:
            found = self._files.info(self._path(name))
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    def names(self) -> list[str]:
        """See `LocalStore`."""
        root = self._path("")
        try:
            found = [path.removeprefix(root) for path in self._files.find(self._root)]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(WORKING_FOLDER + "/"))

    def create(self, name: str) -> NewFile:
        """See `LocalStore`."""
        path = self._path(name)
        with self.one_line_errors():
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                return _NewRemoteFile(self, self._files.open(path, "wb", autocommit=False))
            except (NotImplementedError, ValueError) as error:
                raise UsageError(
                    f"out: expected a writable address, got {quoted(self)} "
                    f"({error or type(error).__name__}); choose another"
                ) from None

    def clear_working_folder(self, keep: str) -> None:
        """See `LocalStore`."""
        kept = (self._path(keep), self._path(keep).lstrip("/"))
        for path in self._files.find(self._path(WORKING_FOLDER)):
            if path not in kept:
                self._files.rm_file(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Do nothing: object stores have no lock that ends with the process."""
        yield


class _AnyNewFile:
    def __init__(self, store: Store, stream: Any) -> None:
        self._store, self._stream = store, stream
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Digest of what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with self._store.one_line_errors():
            self._stream.write(data)
        self._digest.update(data)
        self.size += len(data)


class _NewLocalFile(_AnyNewFile):
    def __init__(self, store: LocalStore, name: str) -> None:
        self._target = store.root / name
        self._temporary = store.root / WORKING_FOLDER / f"{name.replace('/', '+')}.tmp"
        with store.one_line_errors():
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            super().__init__(store, self._temporary.open("wb"))

    def commit(self) -> None:
        with self._store.one_line_errors():
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._temporary, self._target)

    def discard(self) -> None:
        with suppress(OSError):
            self._stream.close()
        with suppress(OSError):
            self._temporary.unlink()


class _NewRemoteFile(_AnyNewFile):
    _committed = False

    def commit(self) -> None:
        with self._store.one_line_errors():
            self._stream.close()
            self._stream.commit()
            self._committed = True

    def discard(self) -> None:
        if not self._committed:
            with suppress(Exception):
                self._stream.discard()


Store: TypeAlias = LocalStore | RemoteStore
"""Where a dataset is kept; both kinds have the same methods."""

NewFile: TypeAlias = _NewLocalFile | _NewRemoteFile
"""A file being written and hashed: ``write``, ``commit``, and always ``discard`` at the end."""
