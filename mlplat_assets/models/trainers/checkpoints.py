"""Training that survives `kill -9`: checkpoints without pickles, and going on from them.

A checkpoint is everything that Lightning would save, as two files: tensors as safetensors, the
rest as `checkpoint.json`. The JSON is the one that counts: it names the tensors' file and both
digests, and is renamed into its place last, so there is a whole checkpoint at every instant.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from resources.digests import canonical_json, digest_of_bytes

DOCUMENT = "checkpoint.json"
# What Lightning adds for its own loading; a module here is built from its problem.
_LEFT_OUT = ("hyper_parameters", "hparams_name", "hparams_type")


class CheckpointUnusable(ValueError):
    """A checkpoint cannot be written or read; says which and what to do."""


class PlainCheckpoints(CheckpointIO):
    """Lightning's checkpoints as safetensors and JSON; a path is the folder of one training."""

    def __init__(self) -> None:
        self._tensors: Path | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Puts a checkpoint in the place of the one before, at once and to the disk.

        Raises:
            CheckpointUnusable: It holds something other than tensors, numbers and texts.
        """
        folder = Path(path)
        tensors: dict[str, Tensor] = {}
        kept = {name: part for name, part in checkpoint.items() if name not in _LEFT_OUT}
        state = without_tensors(kept, "checkpoint", tensors)
        content = save(tensors)
        digest = digest_of_bytes(content)
        # By process, so that of two that train the same, none removes the other's.
        file = folder / f"{digest.partition(':')[2]}-{os.getpid()}.safetensors"
        document = {"tensors": file.name, "tensors_digest": digest, "state": state}
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        write_whole(folder / DOCUMENT, canonical_json(sealed(document)))
        before, self._tensors = self._tensors, file
        if before is not None and before != file:
            before.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The checkpoint of a folder, both digests verified, tensors on the CPU.

        Raises:
            CheckpointUnusable: A file is not what was written.
        """
        folder = Path(path)
        try:
            document = json.loads((folder / DOCUMENT).read_bytes())
            if sealed(document) != document:
                raise CheckpointUnusable(f"{DOCUMENT} is not what was written")
            content = (folder / document["tensors"]).read_bytes()
            if digest_of_bytes(content) != document["tensors_digest"]:
                raise CheckpointUnusable(f"{document['tensors']} is not what was written")
            self._tensors = folder / document["tensors"]  # goes when the next one is whole
            return with_tensors(document["state"], load(content))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise CheckpointUnusable(
                f"the checkpoint in {folder} cannot be used: {error}; "
                "remove the folder to train from the beginning"
            ) from error

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes the folder of a training."""
        shutil.rmtree(path, ignore_errors=True)


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the digest of the rest of it."""
    rest = {name: part for name, part in document.items() if name != "digest"}
    return {**rest, "digest": digest_of_bytes(canonical_json(rest))}


def write_whole(file: Path, content: bytes) -> None:
    """The file as a whole or not at all, on the disk when this returns."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def without_tensors(value: object, where: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401
    """A value as JSON, its tensors moved into `tensors` by where they were.

    Dicts become lists of pairs, since their keys may be numbers.

    Raises:
        CheckpointUnusable: It holds something else.
    """
    if isinstance(value, Tensor):
        tensors[where] = value.detach().cpu().clone().contiguous()
        return {"tensor": where}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}  # JSON has neither infinity nor NaN
    if isinstance(value, Mapping):
        bad = [key for key in value if not isinstance(key, int | str)]
        if not bad:
            return {
                "pairs": [
                    [key, without_tensors(part, f"{where}.{key}", tensors)]
                    for key, part in value.items()
                ]
            }
    if isinstance(value, list | tuple):
        parts = [without_tensors(part, f"{where}.{i}", tensors) for i, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    raise CheckpointUnusable(
        f"{where} is a {type(value).__name__}, and a checkpoint holds tensors, numbers and texts; "
        "keep it out of the state of the optimiser, scheduler, callback or module"
    )


def with_tensors(value: object, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401
    """What `without_tensors` took apart."""
    if isinstance(value, list):
        return [with_tensors(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, part),) = value.items()
    if kind == "tensor":
        return tensors[part]
    if kind == "float":
        return float.fromhex(part)
    if kind == "tuple":
        return tuple(with_tensors(item, tensors) for item in part)
    return {key: with_tensors(item, tensors) for key, item in part}


def random_state() -> dict[str, Any]:
    """Where torch's random numbers stand, on the CPU and on each GPU."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "gpus": gpus}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Back to where `random_state` was."""
    torch.set_rng_state(state["cpu"])
    if state["gpus"]:
        torch.cuda.set_rng_state_all(state["gpus"])
