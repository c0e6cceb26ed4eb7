"""A connection to a Ray cluster, or one on this machine. An optional extra: `mlplat[ray]`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOCAL = "local"


@contextmanager
def ray_cluster(address: str, cpus: int | None = None) -> Iterator[None]:
    """A connection to a cluster; `local` starts one, on the loopback interface only.

    Raises:
        ValueError: The extra is not installed.
    """
    # Read when ray is imported. Else its servers would listen on every interface, as for machines
    # to come, whatever address it is given for this one.
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if address == LOCAL else {}
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", **alone})
    try:
        import ray
    except ImportError as error:
        raise ValueError("Ray is not installed; install mlplat[ray]") from error
    quiet: dict[str, Any] = {"logging_level": "warning", "log_to_driver": False}
    if address == LOCAL:
        from ray._private import ray_constants

        # Another may have imported ray before.
        ray_constants.ENABLE_RAY_CLUSTER = False
        ray.init(num_cpus=cpus, include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
