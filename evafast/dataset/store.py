"""Store: where a dataset lies, a local folder or any fsspec address, with atomic files.

A file appears under its name only when it is complete: locally it is written under a temporary
name, flushed and renamed; remotely it is committed in one operation.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from evafast.errors import RunError, UsageError, quoted

WORKING_FOLDER = ".evafast"
"""Holds a run's plan, journal, lock and unfinished files; afterwards only the manifest's copy."""


def open_store(out: str | os.PathLike[str]) -> Store:
    """Return the store at a path, or at an address such as ``s3://bucket/set``.

    Raises
    ------
    UsageError
        If fsspec does not know the address's protocol, or its package is missing.
    """
    text = os.fspath(out)
    if "://" in text and not text.startswith("file://"):
        return RemoteStore(text)
    return LocalStore(Path(text.removeprefix("file://")))


@contextmanager
def creating(store: Store, name: str) -> Iterator[NewFile]:
    """Write a file that appears if the block succeeds, and never otherwise."""
    file = store.create(name)
    try:
        yield file
        file.commit()
    finally:
        file.discard()


@contextmanager
def _one_line_errors(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"out: no space left at {where}; free some and run the same command to resume"
            ) from None
        raise RunError(
            f"out: {error.strerror or error} at {where}; fix this and run the same command again"
        ) from None


class LocalStore:
    """A folder on this machine. Names of files are relative paths with ``/``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if os.path.lexists(root) and not root.is_dir():
            raise UsageError(
                f"out: expected a folder, got {quoted(root)}, which is a file; choose another"
            )

    def __str__(self) -> str:
        return str(self.root)

    def one_line_errors(self) -> Any:
        """Return a context that turns errors of the file system into a `RunError` of one line."""
        return _one_line_errors(str(self.root))

    def path(self, name: str) -> Path:
        """Return the path of a file of the dataset."""
        return self.root / name

    def read(self, name: str) -> bytes:
        """Return a file's bytes; FileNotFoundError if it is missing."""
        return self.path(name).read_bytes()

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return `size` bytes of a file from `offset` on."""
        with open(f"{self.root}/{name}", "rb", buffering=0) as stream:
            stream.seek(offset)
            return stream.read(size)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return self.path(name).open("rb")

    def exists(self, name: str) -> bool:
        """Return whether a complete file is there."""
        return self.path(name).is_file()

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self.path(name).stat().st_size

    def names(self) -> list[str]:
        """Return the names of all files, sorted, except those of the working folder."""
        found = []
        for parent, folders, files in os.walk(self.root):
            if parent == str(self.root):
                folders[:] = [f for f in folders if f != WORKING_FOLDER]
            links = [f for f in folders if os.path.islink(os.path.join(parent, f))]
            files += links  # not followed, but there: what they lead to belongs to somebody
            found += [os.path.relpath(os.path.join(parent, f), self.root) for f in files]
        return sorted(name.replace(os.sep, "/") for name in found)

    def create(self, name: str) -> _NewLocalFile:
        """Start writing a file; it appears when it is committed, or never."""
        return _NewLocalFile(self, name)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file atomically."""
        with creating(self, name) as file:
            file.write(data)

    def clear_working_folder(self, keep: str) -> None:
        """Empty the working folder, which only evafast writes, except for one file."""
        for entry in self.path(WORKING_FOLDER).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry != self.path(keep):
                entry.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset for this process; the lock ends with the process, however that ends.

        Raises
        ------
        UsageError
            If another run holds it.
        """
        from filelock import FileLock, Timeout

        with self.one_line_errors():
            self.path(WORKING_FOLDER).mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path(f"{WORKING_FOLDER}/lock"), timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise UsageError(
                    f"out: another run is writing {quoted(self.root)}; wait for it or choose "
                    "another --out"
                ) from None
        try:
            yield
        finally:
            lock.release()


class _NewLocalFile:
    def __init__(self, store: LocalStore, name: str) -> None:
        self._store = store
        self._target = store.path(name)
        self._temporary = store.path(f"{WORKING_FOLDER}/{name.replace('/', '+')}.tmp")
        with store.one_line_errors():
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._temporary.open("wb")

    def write(self, data: bytes) -> int:
        with self._store.one_line_errors():
            return self._stream.write(data)

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


class RemoteStore:
    """A folder at an fsspec address. Nothing locks it: only one run may write it."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UsageError(
                f"out: cannot open {quoted(url)}: {' '.join(str(error).split())}"
            ) from None
        self._streams = threading.local()

    def __str__(self) -> str:
        return self._url

    def __getstate__(self) -> dict[str, Any]:
        """Leave open streams behind: another process opens its own."""
        return {**self.__dict__, "_streams": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _streams=threading.local())

    def one_line_errors(self) -> Any:
        """See `LocalStore`."""
        return _one_line_errors(self._url)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def read(self, name: str) -> bytes:
        """See `LocalStore`."""
        return cast(bytes, self._files.cat_file(self._path(name)))

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """See `LocalStore`; streams stay open, one per thread, for fsspec to read ahead in them."""
        streams = self._streams.__dict__
        if name not in streams:
            streams[name] = self.open(name)
        streams[name].seek(offset)
        return cast(bytes, streams[name].read(size))

    def open(self, name: str) -> BinaryIO:
        """See `LocalStore`."""
        return cast(BinaryIO, self._files.open(self._path(name), "rb"))

    def exists(self, name: str) -> bool:
        """See `LocalStore`."""
        return bool(self._files.isfile(self._path(name)))

    def size(self, name: str) -> int:
        """See `LocalStore`."""
        return int(self._files.size(self._path(name)))

    def names(self) -> list[str]:
        """See `LocalStore`."""
        root = self._root.rstrip("/") + "/"
        try:
            found = [path.removeprefix(root) for path in self._files.find(self._root)]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(WORKING_FOLDER + "/"))

    def create(self, name: str) -> _NewRemoteFile:
        """See `LocalStore`."""
        path = self._path(name)
        with self.one_line_errors():
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                return _NewRemoteFile(self, self._files.open(path, "wb", autocommit=False))
            except (NotImplementedError, ValueError) as error:
                raise UsageError(
                    f"out: expected an address that can be written, got {quoted(self._url)} "
                    f"({error or type(error).__name__}); choose another"
                ) from None

    def write(self, name: str, data: bytes) -> None:
        """See `LocalStore`."""
        with creating(self, name) as file:
            file.write(data)

    def clear_working_folder(self, keep: str) -> None:
        """See `LocalStore`."""
        kept = (self._path(keep), self._path(keep).lstrip("/"))
        for path in self._files.find(self._path(WORKING_FOLDER)):
            if path not in kept:
                self._files.rm_file(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Do nothing: object stores have no lock that ends with its process."""
        yield


class _NewRemoteFile:
    def __init__(self, store: RemoteStore, stream: Any) -> None:
        self._store, self._stream = store, stream
        self._committed = False

    def write(self, data: bytes) -> int:
        with self._store.one_line_errors():
            return int(self._stream.write(data))

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
"""Where a dataset lies; both kinds have the same methods."""

NewFile: TypeAlias = _NewLocalFile | _NewRemoteFile
"""A file being written: ``write``, then ``commit`` or ``discard``."""
