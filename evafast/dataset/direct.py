"""Direct file: large files go past the system's page cache to the disk, where that can be done.

A data set is larger than what is worth caching, and each byte in the cache costs a copy and a
share of a fresh page: where memory is fresh, about a tenth of a run on the CPU. Linux has
``O_DIRECT``.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

_REFUSED = errno.EINVAL, errno.EOPNOTSUPP
"""What file systems say that have no direct files."""

_BUFFER = 4 * 2**20
_BLOCK = 4096
"""What direct writes are multiples of, in file and memory; no usual disk has larger sectors."""


def create_direct(path: Path) -> BinaryIO:
    """Create a file for writing once from start to end; an ordinary one where none is direct."""
    flag = getattr(os, "O_DIRECT", 0)  # Linux
    if flag:
        try:
            return cast(BinaryIO, _DirectFile(path, flag))
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
    return path.open("wb")


class _DirectFile(io.RawIOBase):
    """Gathers what is written in a buffer that is aligned as the disk wants it."""

    def __init__(self, path: Path, flag: int) -> None:
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | flag
        self._file = os.open(path, how, 0o666)
        self._flag = flag
        self._buffer = memoryview(mmap.mmap(-1, _BUFFER))  # whole pages
        self._filled = self._written = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file

    def tell(self) -> int:
        """Return how many bytes were given to `write`."""
        return self._written + self._filled

    def write(self, data: Buffer, /) -> int:
        """Take all bytes; they reach the file when the buffer is full."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while len(rest):
            taken = min(len(rest), _BUFFER - self._filled)
            self._buffer[self._filled : self._filled + taken] = rest[:taken]
            self._filled += taken
            rest = rest[taken:]
            if self._filled == _BUFFER:
                self._empty(_BUFFER)
        return size

    def flush(self) -> None:
        """Write all; after a last piece that fills no block the file is an ordinary one."""
        if self.closed or not self._filled:
            return
        self._empty(self._filled // _BLOCK * _BLOCK)
        if self._filled:
            self._leave_direct()
            self._empty(self._filled)

    def close(self) -> None:
        """Write what is left and close."""
        if self.closed:
            return
        try:
            super().close()
        finally:
            os.close(self._file)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close; after an error what was not written yet is dropped."""
        if kind is not None:
            self._filled = 0
        self.close()

    def _empty(self, count: int) -> None:
        """Write the buffer's first bytes; what stays moves to its front."""
        done = 0
        while done < count:
            try:
                done += os.write(self._file, self._buffer[done:count])
            except OSError as error:
                if error.errno not in _REFUSED or not self._flag:
                    raise
                self._leave_direct()  # allowed when it was opened, and now it is not
        self._written += count
        self._filled -= count
        if self._filled:
            self._buffer[: self._filled] = bytes(self._buffer[count : count + self._filled])

    def _leave_direct(self) -> None:
        import fcntl

        if self._flag:
            how = fcntl.fcntl(self._file, fcntl.F_GETFL)
            fcntl.fcntl(self._file, fcntl.F_SETFL, how & ~self._flag)
            self._flag = 0
