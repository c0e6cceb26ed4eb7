"""The file of tokens that a model server admits: names and hashes, one JSON object a line.

    {"name": "booking", "hash": "sha256:...", "created_at": "2026-03-01T09:00:00+00:00"}

A token is 256 random bits, so its SHA-256 cannot be searched and needs no salt or stretching.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,99}", re.ASCII)
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class TokensUnusable(ValueError):
    """The file of tokens cannot be read, or does not hold what it should."""


class ServingToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client of the model servers; `created_at` is UTC."""

    name: str
    hash: str
    created_at: datetime


def hash_of(text: str) -> str:
    """What is on file of a token's text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_tokens(path: Path) -> tuple[ServingToken, ...]:
    """Every token on file.

    Raises:
        TokensUnusable: The file cannot be read, others than its owner may write it, or a line
            is no token.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TokensUnusable(
            f"MLPLAT_SERVING_TOKENS {path}: {error.strerror}; "
            "`mlplat tokens serving NAME` makes the file and its first token"
        ) from error
    if mode & 0o022:
        raise TokensUnusable(
            f"MLPLAT_SERVING_TOKENS {path} is writable by others, who could add a token of their "
            f"own: chmod 600 {path}"
        )
    return tuple(_token(line, path, n) for n, line in enumerate(lines, start=1) if line.strip())


def issue_token(path: Path, name: str, at: datetime) -> str:
    """Add a token to the file, which is made if need be; returns its text, kept nowhere.

    Raises:
        TokensUnusable: See `read_tokens`.
        ValueError: The name is taken, or is no name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name {name!r}: use up to 100 letters, digits, '.', '_', '-' or '@'")
    text = f"mlps_{secrets.token_urlsafe(32)}"
    with _locked(path):
        held = read_tokens(path) if path.exists() else ()
        if any(token.name == name for token in held):
            raise ValueError(
                f"{name} has a token already; take it out first: "
                f"mlplat tokens serving {name} --revoke"
            )
        _write(path, (*held, ServingToken(name=name, hash=hash_of(text), created_at=at)))
    return text


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file; servers that read it refuse it about a second later.

    Raises:
        TokensUnusable: See `read_tokens`.
        LookupError: There is none of that name.
    """
    with _locked(path):
        held = read_tokens(path)
        kept = tuple(token for token in held if token.name != name)
        if kept == held:
            known = ", ".join(token.name for token in held) or "none"
            raise LookupError(f"{path} has no token of {name!r}; it has: {known}")
        _write(path, kept)


def _token(line: bytes, path: Path, number: int) -> ServingToken:
    try:
        token = msgspec.json.decode(line, type=ServingToken)
    except msgspec.MsgspecError as error:
        raise TokensUnusable(f"MLPLAT_SERVING_TOKENS {path}, line {number}: {error}") from error
    if not _HASH.fullmatch(token.hash):
        raise TokensUnusable(
            f"MLPLAT_SERVING_TOKENS {path}, line {number}: the hash of {token.name} is not "
            "sha256: and 64 hex digits"
        )
    return token


@contextmanager
def _locked(path: Path) -> Generator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(
        path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, tokens: tuple[ServingToken, ...]) -> None:
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "wb") as stream:
        stream.writelines(msgspec.json.encode(token) + b"\n" for token in tokens)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
