"""Work done ahead of its consumer by a background thread."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Buffer(Generic[Item]):
    """A queue of bounded length that either end may leave at any time without locking up the other."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Wait for room and append; False once the consumer has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def end(self, error: BaseException | None) -> None:
        """Say that nothing more will come, and why."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> list[Item]:
        """Wait for the next item; an empty list at the end. An error of the producer is raised after its last item."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return [item]
            error, self._error = self._error, None
        if error is not None:
            raise error
        return []

    def close(self) -> None:
        """Tell the producer that nobody listens any more."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class _Producer(threading.Thread, Generic[Item]):
    """Fills a buffer from an iterator. A daemon, so that a forgotten iterator cannot keep the interpreter alive."""

    def __init__(self, source: Iterator[Item], buffer: _Buffer[Item]) -> None:
        super().__init__(name="gpunet-prefetch", daemon=True)
        self._source, self._buffer = source, buffer

    def run(self) -> None:
        source, buffer = self._source, self._buffer
        del self._source, self._buffer  # whoever still holds this thread must not keep batches alive
        error: BaseException | None = None
        try:
            for item in source:
                if not buffer.put(item):
                    break
        except BaseException as caught:  # noqa: BLE001 - it is raised again where the items are consumed
            error = caught
        buffer.end(error)


def prefetched(source: Iterator[Item], depth: int) -> Generator[Item, None, None]:
    """The items of ``source``, up to ``depth`` of them computed ahead in a background thread.

    The thread starts with the first item asked for. It ends with the source, or as soon as the generator is closed,
    which `break`, an exception or dropping the generator all do. An exception of the source reaches the consumer after
    the items before it.

    Args:
        source: used by the thread alone.
        depth: how many items may wait, at least 1.
    """
    buffer: _Buffer[Item] = _Buffer(depth)
    thread = _Producer(source, buffer)
    del source
    thread.start()
    try:
        while batch := buffer.take():
            yield batch.pop()
    finally:
        # A dying interpreter has frozen its daemon threads, perhaps inside a lock: touching one could wait for ever.
        if not sys.is_finalizing():
            buffer.close()
            # The garbage collector may run this in a producer, and producers that join each other never end.
            if not isinstance(threading.current_thread(), _Producer):
                thread.join()
