"""Store: where a data set lies, a local folder or any fsspec address, with atomic files.

A file appears under its name only when it is whole: locally it is written under a temporary name,
flushed and renamed; remotely it is committed in one piece.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from evafast.dataset.direct import create_direct
from evafast.errors import RunError, UsageError, quoted

WORKING_FOLDER = ".evafast"
"""Holds plan, journal, lock and unfinished files of a run; then only the manifest's copy."""


def open_store(out: str | os.PathLike[str]) -> Store:
    """Return the store at a path, or at an address such as ``s3://bucket/set``.

    Raises
    ------
    UsageError
        When the address's protocol is not known to fsspec or its package is missing.
    """
    text = os.fspath(out)
    if "://" in text and not text.startswith("file://"):
        return RemoteStore(text)
    return LocalStore(Path(text.removeprefix("file://")))


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"out: no space left at {where}; free some and run the same command again: it "
                "goes on where it stopped"
            ) from None
        raise RunError(
            f"out: {error.strerror or error} at {where}; mend it and run the same command again"
        ) from None


class LocalStore:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if os.path.lexists(root) and not root.is_dir():
            raise UsageError(f"expected a folder, got {quoted(root)}, which is none; choose another")

    def __str__(self) -> str:
        return str(self.root)

    @property
    def is_local(self) -> bool:
        """Whether files are on this machine, where parts may be staged and renamed."""
        return True

    def failing_in_one_line(self) -> AbstractContextManager[None]:
        """Turn what the file system refuses inside the block into a clear line."""
        return _in_one_line(str(self.root))

    def path(self, name: str) -> Path:
        """Return the path of a file of the data set."""
        return self.root / name

    def read(self, name: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        return self.path(name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return self.path(name).open("rb")

    def exists(self, name: str) -> bool:
        """Tell whether a file is there, whole."""
        return self.path(name).is_file()

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self.path(name).stat().st_size

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all files at and below a folder, sorted, but for the working ones."""
        base = self.path(folder)
        found = []
        for parent, folders, files in os.walk(base):
            if parent == str(self.root):
                folders[:] = [f for f in folders if f != WORKING_FOLDER]
            links = [f for f in folders if os.path.islink(os.path.join(parent, f))]
            files += links  # not followed, but there: what lies behind them is somebody's
            found += [os.path.relpath(os.path.join(parent, f), self.root) for f in files]
        return sorted(name.replace(os.sep, "/") for name in found)

    @contextmanager
    def writing(self, name: str, *, large: bool = False) -> Iterator[BinaryIO]:
        """Write a file that appears when the block ends well, and not at all otherwise.

        A `large` one, written from start to end, goes past the system's cache.
        """
        temporary = self.path(f"{WORKING_FOLDER}/{name.replace('/', '+')}.tmp")
        target = self.path(name)
        with _in_one_line(str(self.root)):
            temporary.parent.mkdir(parents=True, exist_ok=True)
            try:
                with create_direct(temporary) if large else temporary.open("wb") as stream:
                    yield stream
                    stream.flush()
                    os.fsync(stream.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def write(self, name: str, data: bytes) -> None:
        """Write a whole small file atomically."""
        with self.writing(name) as stream:
            stream.write(data)

    def remove(self, name: str) -> None:
        """Remove a file that this run made."""
        self.path(name).unlink(missing_ok=True)

    def clear_working_folder(self, keep: str) -> None:
        """Empty the working folder, which only evafast writes, but for one file."""
        for entry in self.path(WORKING_FOLDER).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry != self.path(keep):
                entry.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the data set for this process; the lock ends with the process, however it ends.

        Raises
        ------
        UsageError
            When another run holds it.
        """
        from filelock import FileLock, Timeout

        with _in_one_line(str(self.root)):
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


class RemoteStore:
    """A folder at an fsspec address; whoever uses it sees to it that one run writes at a time."""

    is_local = False

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UsageError(
                f"out: cannot open {quoted(url)}: {' '.join(str(error).split())}"
            ) from None
        self._url = url

    def __str__(self) -> str:
        return self._url

    def failing_in_one_line(self) -> AbstractContextManager[None]:
        """Turn what the file system refuses inside the block into a clear line."""
        return _in_one_line(self._url)

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def read(self, name: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        return self._files.cat_file(self._at(name))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return cast(BinaryIO, self._files.open(self._at(name), "rb"))

    def exists(self, name: str) -> bool:
        """Tell whether a file is there, whole."""
        return self._files.isfile(self._at(name))

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self._files.size(self._at(name))

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all files at and below a folder, sorted, but for the working ones."""
        root = self._root.rstrip("/") + "/"
        try:
            found = [path.removeprefix(root) for path in self._files.find(self._at(folder))]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(WORKING_FOLDER + "/"))

    @contextmanager
    def writing(self, name: str, *, large: bool = False) -> Iterator[BinaryIO]:
        """Write a file that appears when the block ends well, and not at all otherwise."""
        path = self._at(name)
        with _in_one_line(self._url):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                stream = self._files.open(path, "wb", autocommit=False)
            except (NotImplementedError, ValueError) as error:
                raise UsageError(
                    f"out: expected an address that can be written, got {quoted(self._url)} "
                    f"({error or type(error).__name__}); choose another"
                ) from None
            try:
                yield cast(BinaryIO, stream)
                stream.close()
            except BaseException:
                with suppress(Exception):
                    stream.discard()
                raise
            stream.commit()

    def write(self, name: str, data: bytes) -> None:
        """Write a whole small file atomically."""
        with self.writing(name) as stream:
            stream.write(data)

    def remove(self, name: str) -> None:
        """Remove a file that this run made."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    def clear_working_folder(self, keep: str) -> None:
        """Empty the working folder, which only evafast writes, but for one file."""
        for path in self._files.find(self._at(WORKING_FOLDER)):
            if path != self._at(keep).lstrip("/") and path != self._at(keep):
                self._files.rm_file(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Do nothing: object stores offer no lock that ends with its process."""
        yield


Store: TypeAlias = LocalStore | RemoteStore
"""Where a data set lies; both kinds offer the same calls."""
