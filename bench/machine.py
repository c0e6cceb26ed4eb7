"""The machine that figures were measured on, as files of results name it."""

import os
import platform

import psutil


def machine() -> dict[str, str | int | None]:
    """CPUs, memory in GiB, operating system and architecture."""
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }
