"""Where artefact bytes lie: files of a folder, or objects of an S3 bucket."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from resources.digests import digest_of_file

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_YOUNG = timedelta(hours=1)


class ArtifactMissing(LookupError):
    """No artefact with this digest is stored."""


@dataclass(frozen=True, kw_only=True)
class StoredBlob:
    """Stored bytes: their digest, how many, and when they were last put (UTC)."""

    digest: str
    size: int
    put_at: datetime


class Blobs(Protocol):
    """Bytes by digest. `fetch` does not verify: `ArtifactStore` does.

    Who puts bytes that are there already must find them young afterwards: a retention that goes by
    age would else take them from under a run that is about to name them.
    """

    def exists(self, digest: str) -> bool:
        """Whether bytes of this digest are stored."""
        ...

    def put(self, source: Path, digest: str) -> None:
        """Store a file's bytes under their digest, atomically and idempotently."""
        ...

    def fetch(self, digest: str, target: Path) -> None:
        """Make the stored bytes a new file, or raise ArtifactMissing."""
        ...

    def head(self, digest: str, length: int) -> bytes:
        """The first bytes of those that are stored, or raise ArtifactMissing."""
        ...

    def stored(self) -> Iterator[StoredBlob]:
        """Everything that is stored, in no order."""
        ...

    def delete(self, digest: str) -> None:
        """Remove the bytes, if they are there."""
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
            os.utime(path)
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

    def head(self, digest: str, length: int) -> bytes:
        """The file's first bytes."""
        path = self._path(digest)
        if not path.is_file():
            raise ArtifactMissing(f"{digest} is not in {self._root}; was it written elsewhere?")
        with path.open("rb") as stream:
            return stream.read(length)

    def stored(self) -> Iterator[StoredBlob]:
        """Each file that a digest names; temporary ones of writers are not among them."""
        for path in (self._root / "blobs").glob("??/*"):
            digest = f"sha256:{path.name}"
            if _DIGEST.fullmatch(digest):
                found = path.stat()
                put_at = datetime.fromtimestamp(found.st_mtime, UTC)
                yield StoredBlob(digest=digest, size=found.st_size, put_at=put_at)

    def delete(self, digest: str) -> None:
        """Remove the file."""
        self._path(digest).unlink(missing_ok=True)


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
        return self._found(digest) is not None

    def _found(self, digest: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            return self._client.head_object(Bucket=self._bucket, Key=self._key(digest))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def put(self, source: Path, digest: str) -> None:
        """Upload a file unless its object is there; S3 shows an object only when it is whole.

        One that is older than an hour, by the server's clock, is uploaded again, to be young.
        """
        found = self._found(digest)
        if found is not None:
            now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
            if now - found["LastModified"] < _YOUNG:
                return
        self._client.upload_file(str(source), self._bucket, self._key(digest))

    def fetch(self, digest: str, target: Path) -> None:
        """Download the object."""
        if not self.exists(digest):
            raise ArtifactMissing(f"{digest} is not in s3://{self._bucket}/{self._prefix}")
        self._client.download_file(self._bucket, self._key(digest), str(target))

    def head(self, digest: str, length: int) -> bytes:
        """The object's first bytes, by a request of this range."""
        if not self.exists(digest):
            raise ArtifactMissing(f"{digest} is not in s3://{self._bucket}/{self._prefix}")
        span = {"Range": f"bytes=0-{length - 1}"}
        found = self._client.get_object(Bucket=self._bucket, Key=self._key(digest), **span)
        with found["Body"] as body:
            return body.read()

    def stored(self) -> Iterator[StoredBlob]:
        """Each object that a digest names, a thousand a request."""
        pages = self._client.get_paginator("list_objects_v2")
        folder = str(PurePosixPath(self._prefix) / "blobs") + "/"
        for page in pages.paginate(Bucket=self._bucket, Prefix=folder):
            for found in page.get("Contents", ()):
                digest = f"sha256:{found['Key'].removeprefix(folder)}"
                if _DIGEST.fullmatch(digest):
                    put_at = found["LastModified"].astimezone(UTC)
                    yield StoredBlob(digest=digest, size=found["Size"], put_at=put_at)

    def delete(self, digest: str) -> None:
        """Remove the object."""
        self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))


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
