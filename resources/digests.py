"""Canonical JSON and SHA-256 digests: the identity of evidence, definitions and artefacts."""

import hashlib
import json
from pathlib import Path


def canonical_json(value: object) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces, UTF-8, NaN refused.

    Raises:
        ValueError: The value holds NaN or infinity, which JSON cannot carry.
        TypeError: The value holds something that is not JSON.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: object) -> str:
    """`sha256:` and the hex digest of a JSON value's canonical form."""
    return digest_of_bytes(canonical_json(value))


def digest_of_bytes(data: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """`sha256:` and the hex digest of a file's content, read in pieces."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
