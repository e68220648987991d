"""The manifest: what a finished data set is and what every file of it must be.

It vouches for itself by a hash of its own, and a copy lies in the working folder, so that a
flipped byte in it is found and mended like one in any other file.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from evafast.dataset.naming import MANIFEST
from evafast.dataset.store import WORKING_FOLDER
from evafast.errors import UsageError, quoted
from evafast.writing.plan import FORMAT

if TYPE_CHECKING:
    from evafast.dataset.store import Store

MANIFEST_COPY = f"{WORKING_FOLDER}/{MANIFEST}"
_SELF = "sha256_of_the_rest"


def write_manifest(store: Store, manifest: dict) -> None:
    """Write a manifest and its copy, the copy first."""
    rest = {key: value for key, value in manifest.items() if key != _SELF}
    manifest = {**rest, _SELF: _digest(rest)}
    data = json.dumps(manifest, indent=1).encode()
    store.write(MANIFEST_COPY, data)
    store.write(MANIFEST, data)


def read_manifest(store: Store) -> dict:
    """Return the manifest of a finished data set.

    Raises
    ------
    UsageError
        When there is none, it is damaged, or of a format that this version does not know.
    """
    if not store.exists(MANIFEST) and not store.exists(MANIFEST_COPY):
        raise UsageError(
            f"data set: expected a finished one, got {quoted(store)} without {MANIFEST}; finish it "
            "with the command that began it, or check the path"
        )
    manifest = sound_manifest(store.read(MANIFEST)) if store.exists(MANIFEST) else None
    if manifest is None:
        raise UsageError(
            f"data set: {MANIFEST} of {quoted(store)} is damaged or lost; run python -m "
            "evafast.inspect repair on it"
        )
    if manifest.get("format") != FORMAT:
        raise UsageError(
            f"data set: expected format {FORMAT}, got {manifest.get('format')} in {quoted(store)}; "
            f"read it with evafast {manifest.get('evafast')}"
        )
    return manifest


def sound_manifest(data: bytes) -> dict | None:
    """Return the manifest in these bytes, or None when not every byte is as it was written."""
    try:
        manifest = json.loads(data)
        claimed = manifest.pop(_SELF)
        if claimed != _digest(manifest):
            return None
        written = json.dumps({**manifest, _SELF: claimed}, indent=1).encode()
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return manifest if written == data else None


def _digest(rest: dict) -> str:
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
