"""What must be kept: all that a version, a refusal or the newest materialisation still names.

A digest is followed wherever a stored document names it, so whatever a version comes to record is
kept without a change here.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from resources.artifact_blobs import StoredBlob
from resources.artifacts import ArtifactStore
from resources.registry.records import AuditEntry, Version

# Manifests of folders name their files without the prefix `sha256:`.
_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_SNAPSHOT = re.compile(rb'"lake_snapshot": ?(\d+)')


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Digests of stored pieces that something needs, and the lake snapshots that it was read at."""

    digests: frozenset[str]
    snapshots: frozenset[int]


def kept(
    stored: Collection[str],
    versions: Iterable[Version],
    entries: Iterable[AuditEntry],
    newest: Iterable[str],
    artifacts: ArtifactStore,
) -> Kept:
    """What is reachable.

    Args:
        stored: Digests of everything that is stored, listed before the rest was asked for.
        versions: Every registered version, with all that it names, directly or not.
        entries: The audit log: the evidence of every judgement stays, but what a refused one was
            about does not.
        newest: What the newest materialisation of each asset recorded, as JSON.
        artifacts: The store.
    """
    digests, snapshots = set[str](), set[int]()
    waiting = [_said(version) for version in versions] + [text.encode() for text in newest]
    while waiting:
        text = waiting.pop()
        snapshots |= {int(found) for found in _SNAPSHOT.findall(text)}
        for digest in _digests(text) - digests:
            if digest in stored:
                digests.add(digest)
                if artifacts.is_document(digest):
                    waiting.append(artifacts.get_bytes(digest))
    judged = {entry.evidence_digest for entry in entries if entry.evidence_digest}
    return Kept(digests=frozenset(digests | (judged & set(stored))), snapshots=frozenset(snapshots))


def unneeded(stored: Iterable[StoredBlob], needed: Kept, before: datetime) -> Iterator[StoredBlob]:
    """The pieces that nothing needs and that nobody has put since a moment."""
    for one in stored:
        if one.digest not in needed.digests and one.put_at < before:
            yield one


def _said(version: Version) -> bytes:
    named = [version.artifact_digest, version.evidence_digest, version.lineage, version.evidence]
    return json.dumps(named).encode()


def _digests(text: bytes) -> set[str]:
    return {f"sha256:{found.decode()}" for found in _HEX.findall(text)}
