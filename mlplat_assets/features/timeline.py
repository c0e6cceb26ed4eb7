"""Rows of many keys on their timelines, and the search for the last one up to a moment."""

import numpy as np

from mlplat_assets.features.key_codes import Integers

_BITS = 63  # of a signed 64-bit integer, without its sign


class Timeline:
    """Rows by key, time, and rank where times are equal.

    Key, time and position of a row are packed in one integer, because integers sort 4 times
    faster than an index of columns does (10 M rows: 0.36 s, not 1.3 s and a gather). The time gets
    the bits that are left, so it may be cut to a coarser one. The few rows of one key that a
    coarse time does not tell apart are a bucket, and are put in their exact order afterwards.

    Attributes:
        order: Positions of the rows, in that order.
    """

    def __init__(self, key: Integers, time: Integers, rank: Integers, keys: int) -> None:
        """Sort the rows, of which there must be one.

        Args:
            key: Each row's key, from 0 to `keys` - 1.
            time: Each row's time, any integers less than 2**62 apart.
            rank: What decides between equal times; then the position does. The greatest is last.
            keys: How many keys there are.
        """
        self._time = time
        self._first, self._last = int(time.min()), int(time.max())
        position_bits = len(time).bit_length()
        exact_bits = (self._last - self._first).bit_length()
        self._time_bits = max(0, min(exact_bits, _BITS - position_bits - keys.bit_length()))
        self._cut = exact_bits - self._time_bits
        packed = self._bucket(key, time)
        packed <<= position_bits
        packed |= np.arange(len(time))
        packed.sort()
        self.order = packed & ((1 << position_bits) - 1)
        self._buckets = packed
        self._buckets >>= position_bits
        self._put_buckets_in_order(rank)

    def rank(self) -> Integers:
        """The place in `order` of each row."""
        rank = np.empty_like(self.order)
        rank[self.order] = np.arange(len(rank))
        return rank

    def last(self, key: Integers, time: Integers) -> Integers:
        """Where in `order` the last row of a key up to a time, inclusive, is; -1 for nowhere."""
        bucket = self._bucket(key, time)
        # In ascending order the search reads memory from start to end: 6 times faster.
        ascending = np.argsort(bucket)
        found = np.empty(len(key), np.int64)
        found[ascending] = np.searchsorted(self._buckets, bucket[ascending], side="right") - 1
        later = np.flatnonzero(self._time[self.order[found]] > time)
        start = np.searchsorted(self._buckets, bucket[later])
        found[later] = self._first_after(time[later], start, found[later]) - 1
        other_key = (found < 0) | (self._buckets[found] >> self._time_bits != key)
        found[other_key] = -1
        return found

    def _bucket(self, key: Integers, time: Integers) -> Integers:
        bucket = np.clip(time, self._first, self._last)
        bucket -= self._first
        bucket >>= self._cut
        bucket |= key << self._time_bits
        return bucket

    def _put_buckets_in_order(self, rank: Integers) -> None:
        together = self._buckets[1:] == self._buckets[:-1]
        if not together.any():
            return
        shared = np.append(together, False) | np.append(False, together)
        slots = np.flatnonzero(shared)
        rows = self.order[slots]
        # The sort is stable and the rows of a bucket are in the order of their positions.
        exact = np.lexsort((rank[rows], self._time[rows], self._buckets[slots]))
        self.order[slots] = rows[exact]

    def _first_after(self, time: Integers, low: Integers, high: Integers) -> Integers:
        """The first place from `low`, and at most `high`, of a row later than the time."""
        while (low < high).any():
            middle = (low + high) // 2
            later = self._time[self.order[middle]] > time
            high = np.where(later & (low < high), middle, high)
            low = np.where(later | (low >= high), low, middle + 1)
        return low
