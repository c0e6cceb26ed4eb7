"""Content-addressed artefacts in a folder or a bucket: a digest names bytes that cannot change.

A folder artefact is stored as its files and a manifest, the canonical JSON of
`{relative name: SHA-256 hex}`, whose own digest is the digest of the folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from resources.artifact_blobs import (
    ArtifactMissing,
    Blobs,
    BucketBlobs,
    FolderBlobs,
    StoredBlob,
    hex_of,
    temporary_path,
)
from resources.digests import canonical_json, digest_of_bytes, digest_of_file
from resources.pickles import SUFFIXES, holds_pickle


class ArtifactCorrupted(ValueError):
    """Stored bytes do not have the digest that names them."""


class PickleRefused(ValueError):
    """A file whose format runs code when it is loaded."""


class ArtifactStore:
    """Files, bytes and folders by digest, verified at every read.

    Reads raise ArtifactMissing or ArtifactCorrupted; writes raise PickleRefused.
    """

    def __init__(self, blobs: Blobs, cache: Path) -> None:
        self._blobs = blobs
        self._cache = cache

    def exists(self, digest: str) -> bool:
        """Whether an artefact of this digest is stored (for a folder: its manifest)."""
        return self._blobs.exists(digest)

    def put_bytes(self, data: bytes) -> str:
        """Store bytes; returns their digest."""
        digest = digest_of_bytes(data)
        with temporary_path(self._cache) as temporary:
            temporary.write_bytes(data)
            _refuse_pickle(temporary, digest)
            self._blobs.put(temporary, digest)
        return digest

    def get_bytes(self, digest: str) -> bytes:
        """The bytes of this digest."""
        return self.get_file(digest).read_bytes()

    def put_file(self, path: Path) -> str:
        """Store one file; returns the digest of its content."""
        _refuse_pickle(path, path.name)
        digest = digest_of_file(path)
        self._blobs.put(path, digest)
        return digest

    def get_file(self, digest: str) -> Path:
        """A read-only local file with the content of this digest."""
        path = self._cache / "files" / hex_of(digest)
        if not (path.is_file() and digest_of_file(path) == digest):
            self._fetch_verified(digest, path)
        return path

    def put_folder(self, path: Path) -> str:
        """Store every file below a folder; returns the digest of the folder."""
        files = files_of(path)
        for name in files:
            _refuse_pickle(path / name, name)
        for name, digest in files.items():
            self._blobs.put(path / name, f"sha256:{digest}")
        return self.put_bytes(canonical_json(files))

    def files(self, digest: str) -> dict[str, str]:
        """The relative name and SHA-256 hex of each file of a stored folder."""
        return _manifest(self.get_bytes(digest), digest)

    def get_folder(self, digest: str) -> Path:
        """A local read-only copy of the folder, every file of it verified."""
        manifest = self.files(digest)
        path = self._cache / "folders" / hex_of(digest)
        if path.is_dir() and files_of(path) == manifest:
            return path
        with temporary_path(path.parent) as temporary:
            for name, file_digest in manifest.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                self._fetch_verified(f"sha256:{file_digest}", temporary / name)
            with temporary_path(path.parent) as replaced:
                if path.is_dir():
                    path.rename(replaced)
                temporary.rename(path)
        return path

    def stored(self) -> Iterator[StoredBlob]:
        """Every piece that is stored: files, bytes, and the manifests of folders."""
        return self._blobs.stored()

    def is_document(self, digest: str) -> bool:
        """Whether the stored bytes begin as JSON does, and so may name other digests."""
        return self._blobs.head(digest, 1) in (b"{", b"[")

    def delete(self, digest: str) -> None:
        """Remove one piece for good, whoever may need it: ask `mlplat_assets.retention` first."""
        self._blobs.delete(digest)

    def _fetch_verified(self, digest: str, path: Path) -> None:
        with temporary_path(path.parent) as temporary:
            self._blobs.fetch(digest, temporary)
            found = digest_of_file(temporary)
            if found != digest:
                raise ArtifactCorrupted(
                    f"stored bytes of {digest} have digest {found}; "
                    "restore them from a backup or train again"
                )
            temporary.replace(path)


def artifact_store(url: str, cache: Path | None = None) -> ArtifactStore:
    """The store at a folder path or `s3://bucket/prefix`.

    `cache` holds verified local copies; by default below the folder itself, or for a bucket in
    the user's cache folder.
    """
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        default = Path.home() / ".cache" / "mlplat" / "artifacts"
        return ArtifactStore(BucketBlobs(bucket, prefix), cache or default)
    root = Path(url.removeprefix("file://"))
    return ArtifactStore(FolderBlobs(root), cache or root / "cache")


def folder_digest(path: Path) -> str:
    """The digest that a folder has as an artefact."""
    return digest_of_bytes(canonical_json(files_of(path)))


def files_of(path: Path) -> dict[str, str]:
    """Relative POSIX name and SHA-256 hex of every file below a folder.

    Raises:
        ValueError: The folder is empty, or holds a link, which a digest cannot vouch for.
    """
    found: dict[str, str] = {}
    for file in sorted(path.rglob("*")):
        if file.is_symlink():
            raise ValueError(f"{file} is a symbolic link; store the file itself")
        if file.is_file():
            found[file.relative_to(path).as_posix()] = hex_of(digest_of_file(file))
    if not found:
        raise ValueError(f"{path} holds no files: there is nothing to store")
    return found


def _manifest(data: bytes, digest: str) -> dict[str, str]:
    entries: object = json.loads(data) if data.startswith(b"{") else None
    if not isinstance(entries, dict):
        raise ArtifactMissing(f"{digest} is a file, not a folder; read it with get_file")
    manifest = {str(name): str(value) for name, value in entries.items()}
    for name, value in manifest.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or not parts.parts:
            raise ArtifactCorrupted(f"manifest {digest} names {name!r}, outside its folder")
        hex_of(f"sha256:{value}")
    return manifest


def _refuse_pickle(path: Path, name: str) -> None:
    if PurePosixPath(name).suffix.lower() in SUFFIXES or holds_pickle(path):
        raise PickleRefused(f"{name} can run code when loaded; store safetensors, ONNX or JSON")
