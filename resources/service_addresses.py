"""Where the models that `mlplat serve` runs on this machine listen, for who looks at them.

One JSON file per model below MLPLAT_HOME, removed when the service ends. One that a killed process
left behind is recognised by its process.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil


class ServiceAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The URL of a model's service, and the process that answers for the file.

    `process_started` is in seconds since 1970: a number of a process is given again.
    """

    model: str
    url: str
    process: int
    process_started: float


@contextmanager
def announced(home: Path, urls: Mapping[str, str]) -> Iterator[None]:
    """Say for the length of the block where this process has each model served."""
    here = psutil.Process()
    written = []
    try:
        for model, url in urls.items():
            address = ServiceAddress(
                model=model, url=url, process=here.pid, process_started=here.create_time()
            )
            file = _file(home, model)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all for who reads meanwhile.
            partial = file.with_suffix(f".{here.pid}")
            partial.write_bytes(msgspec.json.encode(address))
            partial.replace(file)
            written.append(address)
        yield
    finally:
        for address in written:
            # Another service of the model may have been started since.
            if _read(_file(home, address.model)) == address:
                _file(home, address.model).unlink(missing_ok=True)


def service_url(home: Path, model: str) -> str | None:
    """Where a model is served from this machine, None if `mlplat serve` does not run it."""
    address = _read(_file(home, model))
    if address is None or address.model != model:
        return None
    try:
        started = psutil.Process(address.process).create_time()
    except psutil.NoSuchProcess:
        return None
    return address.url if abs(started - address.process_started) < 1.0 else None


def _read(file: Path) -> ServiceAddress | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServiceAddress)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _file(home: Path, model: str) -> Path:
    return home / "services" / f"{model}.json"
