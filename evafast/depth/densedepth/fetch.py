"""The authors' weights: fetched once into a cache folder and verified at every use.

The folder is ``$EVAFAST_HOME/weights``, otherwise ``$XDG_CACHE_HOME/evafast/weights``, otherwise
``~/.cache/evafast/weights``. A file placed there by hand is used like a fetched one.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
from filelock import FileLock

from evafast.errors import RunError, quoted, refusal
from evafast.system.console import Console

URL = "https://s3-eu-west-1.amazonaws.com/densedepth/{name}.h5"

#: Names, with the size of each file in bytes if known.
SIZES = {"nyu": 172_897_376, "kitti": None}

#: Retries after the first attempt; pooch waits 1, 2, 3 ... seconds before them.
RETRIES = 3


def weights_folder() -> Path:
    """Return the cache folder, which need not exist."""
    if home := os.environ.get("EVAFAST_HOME"):
        return Path(home).expanduser() / "weights"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "evafast" / "weights"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(
    name: str, *, offline: bool = False, progress: Callable[..., Any] | None = None
) -> Path:
    """Return the local file of the weights ``nyu`` or ``kitti``, fetching it if necessary.

    `UsageError` if the file is missing and ``offline``, or has changed since its SHA-256 was
    recorded; `RunError` if it cannot be fetched, or the server sent something else.
    """
    path = weights_folder() / f"{name}.h5"
    if not path.exists():
        if offline:
            remedy = f"download {URL.format(name=name)} elsewhere and put it there"
            got = "no file and no network allowed"
            raise refusal(f"weights {name}", quoted(path), got, remedy)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(path.name + ".lock")):
                if not path.exists():  # another run may have fetched it while this one waited
                    _fetch(name, path, progress or Console(quiet=True).progress)
        except OSError as error:
            raise RunError(
                f"weights {name}: expected to write {quoted(path)}, got {error.strerror or error}; "
                "free disk space or set EVAFAST_HOME"
            ) from error
    _verify(name, path)
    return path


def _fetch(name: str, path: Path, progress: Callable[..., Any]) -> None:
    import pooch
    import requests

    url = URL.format(name=name)

    def failure(got: object) -> RunError:
        return RunError(
            f"weights {name}: expected the file at {url}, got {quoted(got)}; try again, or "
            f"download it elsewhere and put it at {quoted(path)}"
        )

    def download(url: str, part: str, _: object) -> None:
        with requests.get(url, stream=True, timeout=30) as response, open(part, "wb") as file:
            if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
                raise failure(f"HTTP {response.status_code} {response.reason}")  # final: no retry
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0)) or None
            with progress(f"weights {name}", total, unit="B") as bar:
                for data in response.iter_content(1 << 18):
                    file.write(data)
                    bar.update(len(data))
        size = os.path.getsize(part)
        if SIZES[name] not in (None, size):
            raise failure(f"{size:,} bytes instead of {SIZES[name]:,}")
        try:
            h5py.File(part, "r").close()  # checks the signature and the length
        except OSError as error:
            raise failure(f"a damaged file: {error}") from error

    pooch.get_logger().setLevel("WARNING")
    # pooch downloads to a temporary name in the same folder, then renames.
    cache = pooch.create(
        path.parent, "", registry={path.name: None}, urls={path.name: url}, retry_if_failed=RETRIES
    )
    try:
        cache.fetch(path.name, downloader=download)
    except requests.RequestException as error:
        raise failure(error) from error


def _verify(name: str, path: Path) -> None:
    """Compare a file's SHA-256 with the recorded one; record it at the first use."""
    record = path.with_name(path.name + ".sha256")
    digest = sha256_of(path)
    if not record.exists():
        with suppress(OSError):  # the cache may be read-only, filled by someone else
            part = record.with_name(f"{record.name}.{os.getpid()}-{threading.get_ident()}")
            part.write_text(f"{digest}  {path.name}\n", "ascii")
            part.replace(record)
        return
    recorded = " ".join(record.read_text("ascii", "replace").split()[:1])
    if recorded != digest:
        expected = f"the recorded SHA-256 {quoted(recorded)}"
        remedy = f"delete {quoted(path)} and its .sha256, and fetch again"
        raise refusal(f"weights {name}", expected, digest, remedy)
