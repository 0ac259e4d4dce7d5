import numpy as np
import pytest

import gpunet as gn

X = np.ones((2, 3), np.float32)


def net() -> gn.Sequential:
    return gn.Sequential(gn.Linear(3, 4), gn.Sequential(gn.ReLU()))


def test_every_module_is_seen_before_and_after_in_both_directions() -> None:
    module = net()
    seen = []
    with module.observe(lambda event: seen.append(f"{event.name}|{event.direction}|{event.stage}")):
        y = module.forward(X, training=True)
        module.backward(np.ones_like(y))
    inner = [f"0|{way}|{stage}" for way in ("forward",) for stage in ("before", "after")]
    assert seen == [
        "|forward|before",
        *inner,
        "1|forward|before",
        "1.0|forward|before",
        "1.0|forward|after",
        "1|forward|after",
        "|forward|after",
        "|backward|before",
        "1|backward|before",
        "1.0|backward|before",
        "1.0|backward|after",
        "1|backward|after",
        "0|backward|before",
        "0|backward|after",
        "|backward|after",
    ]


def test_an_event_shows_what_goes_in_and_out() -> None:
    module = gn.Linear(3, 4)
    events = []
    with module.observe(events.append):
        y = module.forward(X, training=True)
        grad_y = np.ones_like(y)
        grad_x = module.backward(grad_y)
    before, after, back, done = events
    assert before.inputs[0] is X
    assert before.outputs == ()
    assert after.inputs[0] is X
    assert after.outputs[0] is y
    assert back.inputs[0] is grad_y
    assert back.outputs == ()
    assert done.outputs[0] is grad_x
    assert {event.module for event in events} == {module}


def test_removing_ends_it_and_spares_the_others() -> None:
    module = net()
    seen = []
    first, second = module.observe(seen.append), module.observe(seen.append)
    module(X)
    assert len(seen) == 2 * 8
    first.remove()
    first.remove()
    module(X)
    assert len(seen) == 3 * 8
    second.remove()
    module(X)
    assert len(seen) == 3 * 8


def test_it_ends_with_the_block_even_by_an_error() -> None:
    module = net()
    seen = []
    with pytest.raises(gn.ShapeError), module.observe(seen.append):
        module(np.ones((2, 5), np.float32))
    count = len(seen)
    module(X)
    assert len(seen) == count


def test_a_part_of_a_net_is_observed_under_its_own_paths() -> None:
    module = net()
    names = []
    with module[1].observe(lambda event: names.append(event.name)):
        module(X)
    assert names == ["", "0", "0", ""]


def test_computing_a_shape_is_not_observed_and_drops_nothing() -> None:
    class Own(gn.Module):
        def __init__(self) -> None:
            self.inner = gn.Linear(3, 4)

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            return context.run(self.inner, x)

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return self.inner.backward(grad_y)

    module = Own()
    y = module.forward(X, training=True)
    seen = []
    with module.observe(seen.append):
        assert module.output_shape((3,)) == (4,)
    assert seen == []
    module.backward(np.ones_like(y))
