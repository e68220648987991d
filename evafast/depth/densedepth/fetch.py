"""The authors' weights: fetched once into a cache folder, verified at every use.

The folder is ``$EVAFAST_HOME/weights``, else ``$XDG_CACHE_HOME/evafast/weights``, else
``~/.cache/evafast/weights``. A file put there by hand serves as well as a fetched one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py

from evafast.depth.densedepth.keras_h5 import SIGNATURE
from evafast.errors import RunError, UsageError, quoted

_ATTEMPTS = 5
_TIMEOUT = 30.0
_CHUNK = 1 << 18

#: Called with the bytes so far and the bytes in all (None when the server does not say).
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a weights file comes from.

    Parameters
    ----------
    url : str
    size : int or None
        The file's length in bytes, where it is known.
    """

    url: str
    size: int | None = None


SOURCES = {
    "nyu": Source(url="https://s3-eu-west-1.amazonaws.com/densedepth/nyu.h5", size=172_897_376),
    "kitti": Source(url="https://s3-eu-west-1.amazonaws.com/densedepth/kitti.h5"),
}


def weights_folder() -> Path:
    """Return the cache folder (which need not exist yet)."""
    if home := os.environ.get("EVAFAST_HOME"):
        return Path(home).expanduser() / "weights"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "evafast" / "weights"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(
    name: str,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    source: Source | None = None,
) -> Path:
    """Return the local file of named weights, fetching it if need be.

    Parameters
    ----------
    name : {"nyu", "kitti"}
    offline : bool
        Never use the network.
    progress : callable, optional
    source : Source, optional
        Another place to fetch from.

    Raises
    ------
    UsageError
        If the file is not there and ``offline``, or has changed since its SHA-256 was recorded.
    RunError
        If it cannot be fetched, or what came is not the file.
    """
    source = source or SOURCES[name]
    folder = weights_folder()
    path = folder / f"{name}.h5"
    if not path.exists():
        if offline:
            raise UsageError(
                f"weights {name}: expected {quoted(path)}, got no such file and no network allowed; "
                f"fetch {source.url} elsewhere and put it there"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(path):
                if not path.exists():  # another run may have fetched it while this one waited
                    _fetch(name, source, path, progress)
        except OSError as error:
            raise RunError(
                f"weights {name}: expected to write {quoted(path)}, got {error.strerror or error}; "
                "free the disk or set EVAFAST_HOME"
            ) from error
    _verify(name, path)
    return path


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other runs from writing the same partial file, where the system has file locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _verify(name: str, path: Path) -> None:
    record = path.with_name(path.name + ".sha256")
    digest = sha256_of(path)
    try:
        recorded = record.read_text("ascii", "replace").split()
    except FileNotFoundError:
        # Under a name of its own first: another run may be reading the record at this moment.
        part = record.with_name(f"{record.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            part.write_text(f"{digest}  {path.name}\n", "ascii")
            part.replace(record)
        except OSError:
            return  # a read-only cache that someone else filled
        recorded = [digest]
    if recorded[:1] != [digest]:
        raise UsageError(
            f"weights {name}: expected SHA-256 {quoted(' '.join(recorded[:1]))} as recorded at the "
            f"first "
            f"fetch, got {digest}; delete {quoted(path)} and its .sha256, and fetch again"
        )


def _fetch(name: str, source: Source, path: Path, progress: Progress | None) -> None:
    part = path.with_name(path.name + ".part")
    trouble = ""
    for _ in range(_ATTEMPTS):
        try:
            if _receive(source, part, progress):
                _check_whole(name, source, part)
                part.replace(path)
                _validator_of(part).unlink(missing_ok=True)
                return
            trouble = "the connection was lost"
        except urllib.error.HTTPError as error:
            trouble = f"HTTP {error.code} {error.reason}"
            if error.code == 416:  # what is there is longer than the file now is
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in (408, 429):
                break
        except urllib.error.URLError as error:
            trouble = str(error.reason)
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            trouble = str(error) or type(error).__name__
    raise RunError(
        f"weights {name}: expected {source.url}, got {quoted(trouble)}; try again (what came is "
        f"kept), "
        f"or put the file at {quoted(path)}"
    )


def _validator_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _receive(source: Source, part: Path, progress: Progress | None) -> bool:
    """Append to ``part`` what is still missing; return whether it is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(source.url, headers={"User-Agent": "evafast"})
    validator = _read_validator(part, source)
    if have and validator:
        # If-Range: a file that has changed meanwhile comes whole, not as a tail that does not fit.
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        length = response.headers.get("Content-Length", "")
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if response.status == 206 and not resumed:
            part.unlink()
            return False
        have = have if resumed else 0
        total = have + int(length) if length.isdigit() else None
        etag = response.headers.get("ETag", "")
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        with open(part, "ab" if resumed else "wb") as file:
            _validator_of(part).write_text(json.dumps({"url": source.url, "validator": validator}))
            while True:
                try:
                    chunk = response.read(_CHUNK)
                except http.client.IncompleteRead as error:
                    file.write(error.partial)
                    return False
                if not chunk:
                    break
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(have, total)
            file.flush()
            os.fsync(file.fileno())
    return total is None or have >= total


def _read_validator(part: Path, source: Source) -> str | None:
    try:
        record = json.loads(_validator_of(part).read_text())
        return record["validator"] if record["url"] == source.url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_whole(name: str, source: Source, part: Path) -> None:
    size = part.stat().st_size
    with open(part, "rb") as file:
        signature = file.read(len(SIGNATURE))
    problem = ""
    if signature != SIGNATURE:
        problem = "a file that is not HDF5"
    elif source.size is not None and size != source.size:
        problem = f"{size} bytes instead of {source.size}"
    else:
        try:
            h5py.File(part, "r").close()  # compares the length with the one inside
        except OSError:
            problem = "a truncated HDF5 file"
    if problem:
        part.unlink()
        _validator_of(part).unlink(missing_ok=True)
        raise RunError(
            f"weights {name}: expected the HDF5 file at {source.url}, got {problem}; try again, or "
            f"put "
            f"the file at {quoted(weights_folder() / f'{name}.h5')}"
        )
