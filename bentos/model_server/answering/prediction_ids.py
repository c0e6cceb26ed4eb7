"""Ids of predictions: 128 random bits, asked of the kernel 512 at a time."""

import os
from collections.abc import Iterator

_DIGITS = 32
_AT_ONCE = 512


def new_prediction_id() -> bytes:
    """32 hexadecimal digits, never given before."""
    return next(_ids)


def _drawn() -> Iterator[bytes]:
    while True:
        text = os.urandom(_DIGITS // 2 * _AT_ONCE).hex().encode()
        for start in range(0, len(text), _DIGITS):
            yield text[start : start + _DIGITS]


_ids = _drawn()
