import gc
import subprocess
import sys
import threading
import time

import pytest

from gpunet.data.prefetch import prefetched

PATIENCE = 30  # seconds before a test calls a thread stuck; nothing waits that long when all is well


def threads() -> int:
    return sum(thread.name == "gpunet-prefetch" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_thread_is_left():
    gc.collect()
    assert threads() == 0
    yield
    gc.collect()
    assert threads() == 0


@pytest.mark.parametrize("depth", [1, 2, 100])
def test_all_items_come_in_order(depth):
    assert list(prefetched(iter(range(50)), depth)) == list(range(50))
    assert list(prefetched(iter([None, (), 0]), depth)) == [None, (), 0]
    assert list(prefetched(iter([]), depth)) == []


def test_work_is_done_ahead_while_the_consumer_is_busy():
    second = threading.Event()

    def source():
        yield 1
        second.set()
        yield 2

    items = prefetched(source(), 1)
    assert next(items) == 1
    assert second.wait(PATIENCE)
    assert list(items) == [2]


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_is_done_ahead_than_asked(depth):
    made = []
    items = prefetched((made.append(number) or number for number in range(100)), depth)
    next(items)
    deadline = time.monotonic() + PATIENCE
    while len(made) < depth + 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(made) == depth + 2  # the one taken, those that wait, and the one in the producer's hands
    items.close()


def test_an_error_comes_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise LookupError("broken")

    items = prefetched(source(), 10)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(LookupError, match="broken"):
        next(items)
    assert threads() == 0
    assert list(items) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration])
def test_errors_of_any_kind_reach_the_consumer(error):
    def source():
        raise error
        yield

    with pytest.raises(RuntimeError if error is StopIteration else error):
        list(prefetched(source(), 1))


def test_nothing_runs_before_the_first_item_is_asked_for():
    made = []
    items = prefetched((made.append(number) for number in range(3)), 2)
    assert threads() == 0
    assert made == []
    items.close()


@pytest.mark.parametrize("depth", [1, 4])
def test_leaving_a_loop_ends_the_thread(depth):
    for number in prefetched(iter(range(1000)), depth):
        if number == 3:
            break
    assert threads() == 0


def test_an_error_in_the_loop_ends_the_thread():
    def consume():
        for _ in prefetched(iter(range(1000)), 2):
            raise LookupError

    with pytest.raises(LookupError):
        consume()
    gc.collect()
    assert threads() == 0


def test_dropping_many_unfinished_iterators_ends_their_threads():
    pending = [prefetched(iter(range(1000)), 2) for _ in range(20)]
    for items in pending:
        next(items)
    assert threads() == 20
    del items, pending
    assert threads() == 0


def test_an_iterator_that_is_garbage_in_its_own_thread():
    """The producer itself may run the collector that finds the abandoned generator; it cannot wait for its own end."""
    collected = threading.Event()
    go = threading.Event()

    def source():
        yield 1
        go.wait(PATIENCE)
        gc.collect()
        collected.set()
        yield 2

    class Holder:
        pass

    holder = Holder()
    holder.myself = holder
    holder.items = prefetched(source(), 1)
    gc.disable()
    try:
        next(holder.items)
        del holder
        go.set()
        assert collected.wait(PATIENCE)
    finally:
        gc.enable()
    deadline = time.monotonic() + PATIENCE
    while threads() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_items_are_not_kept_alive():
    class Item:
        alive = 0

        def __init__(self):
            Item.alive += 1

        def __del__(self):
            Item.alive -= 1

    items = prefetched((Item() for _ in range(100)), 2)
    for _ in range(50):
        item = next(items)
        assert isinstance(item, Item)
        assert Item.alive <= 5  # two waiting, one in the producer's hands, one here, one being replaced
    del item
    items.close()
    assert Item.alive == 0


EXIT = """
import sys, time
from gpunet.data.prefetch import prefetched

def slow():
    while True:
        time.sleep(0.001)
        yield bytes(1000)

items = prefetched(slow(), 2)
next(items)
if sys.argv[1] == "garbage":
    class Holder:
        pass
    holder = Holder()
    holder.myself, holder.items = holder, items
    del holder, items
print("done")
"""


@pytest.mark.parametrize("kept", ["global", "garbage"])
def test_an_unfinished_iterator_does_not_hold_the_interpreter(kept):
    done = subprocess.run(
        [sys.executable, "-c", EXIT, kept], capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
