"""The artifact store, on a folder and on S3 over HTTP."""

import bz2
import gzip
import json
import logging
import lzma
import os
import pickletools
import resource
import tempfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
import torch
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError
from hypothesis import example, given
from hypothesis import strategies as st
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
from resources.pickles import holds_pickle

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
    "disguised",
    [
        pytest.param(b"\x80\x04\x95\x0b" + b"\x00" * 7 + b"\x8c\x02os\x94.", id="protocol 4"),
        pytest.param(b"\x80\x02cos\nsystem\n(S'id'\ntR.", id="protocol 2"),
        pytest.param(b"cos\nsystem\n(S'id'\ntR.", id="protocol 0"),
        pytest.param(b"cos\nsystem\n(S'id'\ntR.behind it", id="with something behind it"),
        pytest.param(b"(dp0\nS'auc'\nF0.9\ns.", id="data of protocol 0"),
        pytest.param(gzip.compress(b"\x80\x04N."), id="gzip"),
        pytest.param(bz2.compress(b"\x80\x04N."), id="bz2"),
        pytest.param(lzma.compress(b"\x80\x04N."), id="xz"),
        pytest.param(zlib.compress(b"\x80\x04N."), id="zlib"),
        pytest.param(b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'shape': (1,), }\n", id="objects"),
    ],
)
def test_a_pickle_is_refused_whatever_its_name(
    store: ArtifactStore, folder: Path, disguised: bytes
) -> None:
    (folder / "weights.safetensors").write_bytes(disguised)
    with pytest.raises(PickleRefused, match=r"weights\.safetensors can run code"):
        store.put_folder(folder)
    with pytest.raises(PickleRefused):
        store.put_file(folder / "weights.safetensors")
    with pytest.raises(PickleRefused):
        store.put_bytes(disguised)
    assert not store.exists(digest_of_bytes(disguised))


def test_what_torch_saves_is_refused_whatever_its_name(store: ArtifactStore, folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, folder / "zip.onnx")
    torch.save(
        {"weight": torch.zeros(2)}, folder / "old.onnx", _use_new_zipfile_serialization=False
    )
    for name in ("zip.onnx", "old.onnx"):
        with pytest.raises(PickleRefused, match=name):
            store.put_file(folder / name)


@pytest.mark.parametrize("length", [640, 0x0480, 0x28_0480])
def test_weights_whose_header_is_as_long_as_a_pickle_begins_are_stored(
    store: ArtifactStore, tmp_path: Path, length: int
) -> None:
    """The first bytes of a safetensors file are the header's length: 640 is 80 02."""
    header = json.dumps({"__metadata__": {"note": ""}})
    header = header.replace('""', json.dumps("x" * (length - len(header))))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + header.encode())
    assert file.read_bytes()[0] == 0x80
    assert store.get_file(store.put_file(file)).read_bytes() == file.read_bytes()


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@example(b"carrier,origin\nUA,EWR\nAA,JFK\n")
@example(b"import math\n\ndef compute(columns):\n    return {}.\n")
def test_bytes_are_refused_only_if_python_could_read_them_as_a_pickle(data: bytes) -> None:
    """Nothing legible is lost: whatever is refused disassembles, or is compressed or tagged."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(data)
        refused = holds_pickle(file)
    magic = data[:1] in (b"\x80", b"\x78", b"\x1f", b"\xfd") or data[:6] == b"\x93NUMPY"
    try:
        disassembled = [code.name for code, _, _ in pickletools.genops(data)]
    except (ValueError, OverflowError, IndexError):
        disassembled = []
    assert not refused or magic or disassembled[-1:] == ["STOP"]


def test_a_write_that_breaks_leaves_nothing_under_the_digest(tmp_path: Path) -> None:
    """The disk takes half of the file, as a full one would."""
    source = tmp_path / "frame.parquet"
    source.write_bytes(b"PAR1" * 500_000)
    named = digest_of_bytes(source.read_bytes())
    store = artifact_store(str(tmp_path / "store"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.put_file(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not store.exists(named)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    assert store.get_file(store.put_file(source)).read_bytes() == source.read_bytes()


def test_an_upload_that_breaks_leaves_nothing_under_the_digest(bucket: str, tmp_path: Path) -> None:
    """A part of a large file does not arrive: the object is not there at all, not half of it."""
    source = tmp_path / "frame.parquet"
    source.write_bytes(os.urandom(9_000_000))  # two parts
    store = artifact_store(f"{bucket}/broken", tmp_path / "cache")
    session = store._blobs._client.meta.events  # pyright: ignore[reportAttributeAccessIssue]

    def lost(**_: object) -> None:
        raise ConnectionResetError("the network went away")

    session.register("before-send.s3.CompleteMultipartUpload", lost)
    with pytest.raises((ConnectionResetError, BotoCoreError, S3UploadFailedError)):
        store.put_file(source)
    session.unregister("before-send.s3.CompleteMultipartUpload", lost)
    stored = digest_of_bytes(source.read_bytes())
    assert not store.exists(stored)
    assert store.put_file(source) == stored
    assert store.get_file(stored).read_bytes() == source.read_bytes()


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
