"""Where artefact bytes lie: files of a folder, or objects of an S3 bucket."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from resources.digests import digest_of_file

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactMissing(LookupError):
    """No artefact with this digest is stored."""


class Blobs(Protocol):
    """Bytes by digest. `fetch` does not verify: `ArtifactStore` does."""

    def exists(self, digest: str) -> bool:
        """Whether bytes of this digest are stored."""
        ...

    def put(self, source: Path, digest: str) -> None:
        """Store a file's bytes under their digest, atomically and idempotently."""
        ...

    def fetch(self, digest: str, target: Path) -> None:
        """Make the stored bytes a new file, or raise ArtifactMissing."""
        ...


class FolderBlobs:
    """Bytes as read-only files `blobs/<first two>/<hex>` of a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self._root / "blobs" / name[:2] / name

    def exists(self, digest: str) -> bool:
        """Whether bytes of this digest are stored."""
        return self._path(digest).is_file()

    def put(self, source: Path, digest: str) -> None:
        """Store a file's bytes; bytes that rotted on disk are replaced."""
        path = self._path(digest)
        if path.is_file() and digest_of_file(path) == digest:
            return
        with temporary_path(path.parent) as temporary:
            with source.open("rb") as reader, temporary.open("xb") as writer:
                shutil.copyfileobj(reader, writer)
                writer.flush()
                os.fsync(writer.fileno())
            temporary.chmod(0o444)
            temporary.replace(path)

    def fetch(self, digest: str, target: Path) -> None:
        """Link the file to the target, or copy it where the file system cannot link."""
        path = self._path(digest)
        if not path.is_file():
            raise ArtifactMissing(f"{digest} is not in {self._root}; was it written elsewhere?")
        try:
            target.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, target)


class BucketBlobs:
    """Bytes as objects `<prefix>/blobs/<hex>` of an S3 bucket.

    Endpoint, region and credentials are those of boto3's own configuration.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        import boto3

        self._bucket = bucket
        self._prefix = prefix
        self._client: Any = boto3.client("s3")

    def _key(self, digest: str) -> str:
        return str(PurePosixPath(self._prefix) / "blobs" / hex_of(digest))

    def exists(self, digest: str) -> bool:
        """Whether an object of this digest is stored."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=self._bucket, Key=self._key(digest))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def put(self, source: Path, digest: str) -> None:
        """Upload a file unless its object exists; S3 shows an object only when it is whole."""
        if not self.exists(digest):
            self._client.upload_file(str(source), self._bucket, self._key(digest))

    def fetch(self, digest: str, target: Path) -> None:
        """Download the object."""
        if not self.exists(digest):
            raise ArtifactMissing(f"{digest} is not in s3://{self._bucket}/{self._prefix}")
        self._client.download_file(self._bucket, self._key(digest), str(target))


def hex_of(digest: str) -> str:
    """The hex part of a digest; ValueError unless it is exactly `sha256:` and 64 hex digits."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest: expected sha256: and 64 lower-case hex")
    return digest.removeprefix("sha256:")


@contextmanager
def temporary_path(folder: Path) -> Iterator[Path]:
    """An unused path inside a folder, removed afterwards whatever it became."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
