"""The artifact store, on a folder and on S3 over HTTP."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from resources.artifacts import (
    ArtifactCorrupted,
    ArtifactMissing,
    ArtifactStore,
    PickleRefused,
    artifact_store,
    folder_digest,
)
from resources.digests import canonical_json, digest, digest_of_bytes

ABSENT = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a real S3 server on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        client.close()
        yield "s3://models"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """An empty store on each backend."""
    if request.param == "folder":
        return artifact_store(str(tmp_path / "store"))
    bucket = request.getfixturevalue("bucket")
    return artifact_store(f"{bucket}/{tmp_path.name}", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder artefact with a nested file."""
    path = tmp_path / "artefact"
    (path / "plots").mkdir(parents=True)
    (path / "card.json").write_text("{}")
    (path / "plots" / "roc.svg").write_text("<svg/>")
    return path


def test_a_folder_comes_back_as_it_was_put(store: ArtifactStore, folder: Path) -> None:
    stored = store.put_folder(folder)
    found = store.get_folder(stored)
    assert (found / "card.json").read_text() == "{}"
    assert (found / "plots" / "roc.svg").read_text() == "<svg/>"
    assert store.exists(stored)
    assert folder_digest(found) == stored


def test_a_folders_digest_is_that_of_its_names_and_contents(
    store: ArtifactStore, folder: Path
) -> None:
    contents = {
        "card.json": digest_of_bytes(b"{}")[7:],
        "plots/roc.svg": digest_of_bytes(b"<svg/>")[7:],
    }
    assert store.put_folder(folder) == digest(contents)


def test_putting_twice_gives_the_same_digest(store: ArtifactStore, folder: Path) -> None:
    assert store.put_folder(folder) == store.put_folder(folder)
    assert store.put_bytes(b"evidence") == store.put_bytes(b"evidence")


def test_bytes_and_files_come_back(store: ArtifactStore, tmp_path: Path) -> None:
    file = tmp_path / "frame.parquet"
    file.write_bytes(b"PAR1")
    assert store.get_bytes(store.put_bytes(b"")) == b""
    assert store.get_file(store.put_file(file)).read_bytes() == b"PAR1"


def test_what_was_never_put_is_missing(store: ArtifactStore) -> None:
    assert not store.exists(ABSENT)
    for read in (store.get_bytes, store.get_file, store.get_folder):
        with pytest.raises(ArtifactMissing, match=ABSENT):
            read(ABSENT)


@pytest.mark.parametrize("name", ["w.pkl", "w.PT", "nested/w.ckpt", "w.joblib"])
def test_pickles_are_refused(store: ArtifactStore, folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(PickleRefused, match="safetensors"):
        store.put_folder(folder)
    with pytest.raises(PickleRefused):
        store.put_file(folder / name)


@pytest.mark.parametrize(
    "name", ["", "sha256:", "../../etc/passwd", "sha256:../x", ABSENT[:-1] + "G", ABSENT + "\n"]
)
def test_only_digests_name_artefacts(store: ArtifactStore, name: str) -> None:
    for read in (store.exists, store.get_bytes, store.get_folder):
        with pytest.raises(ValueError, match="is not a digest"):
            read(name)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", ""])
def test_a_manifest_that_leaves_its_folder_is_refused(store: ArtifactStore, name: str) -> None:
    content = store.put_bytes(b"evil")
    manifest = store.put_bytes(canonical_json({name: content[7:]}))
    with pytest.raises(ArtifactCorrupted, match="outside its folder"):
        store.get_folder(manifest)


def test_bytes_are_not_taken_for_a_folder(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing, match="not a folder"):
        store.get_folder(store.put_bytes(b"not a manifest"))


def test_an_empty_folder_and_a_link_are_refused(
    store: ArtifactStore, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to store"):
        store.put_folder(tmp_path / "empty")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="symbolic link"):
        store.put_folder(folder)


def test_a_changed_file_of_a_folder_store_is_corrupted(folder: Path, tmp_path: Path) -> None:
    store = artifact_store(str(tmp_path / "store"))
    stored = store.put_folder(folder)
    local = store.get_folder(stored) / "card.json"
    local.chmod(0o644)
    local.write_text('{"auc": 1.0}')
    with pytest.raises(ArtifactCorrupted, match="sha256:"):
        store.get_folder(stored)


def test_putting_again_heals_a_corrupted_folder_store(folder: Path, tmp_path: Path) -> None:
    store = artifact_store(str(tmp_path / "store"))
    stored = store.put_folder(folder)
    for blob in (tmp_path / "store" / "blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o644)
            blob.write_bytes(b"rot")
    with pytest.raises(ArtifactCorrupted):
        artifact_store(str(tmp_path / "store"), tmp_path / "cold").get_folder(stored)
    assert store.put_folder(folder) == stored
    assert (store.get_folder(stored) / "card.json").read_text() == "{}"


def test_a_changed_object_in_s3_is_corrupted(bucket: str, folder: Path, tmp_path: Path) -> None:
    stored = artifact_store(f"{bucket}/rot", tmp_path / "warm").put_folder(folder)
    client = boto3.client("s3")
    card = digest_of_bytes(b"{}")[7:]
    client.put_object(Bucket="models", Key=f"rot/blobs/{card}", Body=b"rot")
    client.close()
    with pytest.raises(ArtifactCorrupted, match=card):
        artifact_store(f"{bucket}/rot", tmp_path / "cold").get_folder(stored)


def test_a_changed_or_added_file_of_a_cached_copy_is_replaced(bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "card.json").write_text("{}")
    store = artifact_store(f"{bucket}/cached", tmp_path / "cache")
    found = store.get_folder(store.put_folder(source))
    (found / "card.json").chmod(0o644)
    (found / "card.json").write_text("changed")
    (found / "extra").write_text("added")
    found = store.get_folder(store.put_folder(source))
    assert [path.name for path in found.iterdir()] == ["card.json"]
    assert (found / "card.json").read_text() == "{}"


def test_everything_stored_is_listed_with_its_size_and_time(
    store: ArtifactStore, folder: Path
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    names = [store.put_folder(folder), store.put_bytes(b"[1]"), store.put_bytes(b"PAR1")]
    found = {one.digest: one for one in store.stored()}
    files = {f"sha256:{content}" for content in store.files(names[0]).values()}
    assert set(found) == {*names, *files}
    for one in found.values():
        assert one.size == len(store.get_bytes(one.digest))
        assert before <= one.put_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert [store.is_document(name) for name in names] == [True, True, False]


def test_what_is_deleted_is_gone_and_deleting_it_again_is_nothing(store: ArtifactStore) -> None:
    kept, gone = store.put_bytes(b"kept"), store.put_bytes(b"gone")
    for _ in range(2):
        store.delete(gone)
    assert [one.digest for one in store.stored()] == [kept]
    assert not store.exists(gone)
    with pytest.raises(ArtifactMissing):
        store.is_document(gone)


def test_what_is_put_again_is_young_again(tmp_path: Path) -> None:
    store = artifact_store(str(tmp_path / "store"))
    digest = store.put_bytes(b"old")
    (file,) = (tmp_path / "store" / "blobs").glob("??/*")
    os.utime(file, (0, 0))
    (found,) = store.stored()
    assert found.put_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert store.put_bytes(b"old") == digest
    (found,) = store.stored()
    assert datetime.now(UTC) - found.put_at < timedelta(seconds=10)
