"""Which of 10,000 buckets a unit is in: the same on every machine, for ever.

A share of traffic is a set of buckets. The salt is the model's own, so that units are mixed anew
from one model to the next.
"""

from hashlib import blake2b

BUCKETS = 10_000


def bucket_of(salt: str, unit_id: str) -> int:
    """The bucket, from 0 to 9,999: the first 8 bytes of BLAKE2b over salt, NUL and unit id.

    A lone surrogate, which UTF-8 cannot carry, raises UnicodeEncodeError.
    """
    found = blake2b(f"{salt}\0{unit_id}".encode(), digest_size=8).digest()
    return int.from_bytes(found, "big") % BUCKETS
