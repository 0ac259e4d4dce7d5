import numpy as np

import gpunet as gn


def test_lines_and_sums() -> None:
    net = gn.Sequential(
        gn.Conv2d(1, 2, 3), gn.ReLU(), gn.Add(gn.BatchNorm2d(2), gn.Identity()), gn.Flatten(), gn.Linear(32, 3)
    )
    summary = net.summary((1, 6, 6))
    conv_operations = 2 * 16 * 18 + 32
    assert [(line.name, line.kind, line.output_shape, line.parameters) for line in summary.layers] == [
        ("0", "Conv2d", (2, 4, 4), 20),
        ("1", "ReLU", (2, 4, 4), 0),
        ("2.0", "BatchNorm2d", (2, 4, 4), 4),
        ("2.1", "Identity", (2, 4, 4), 0),
        ("3", "Flatten", (32,), 0),
        ("4", "Linear", (3,), 99),
    ]
    assert [line.operations for line in summary.layers] == [conv_operations, 32, 64, 0, 0, 2 * 96 + 3]
    assert summary.parameters == 20 + 4 + 99
    assert summary.operations == conv_operations + 32 + 64 + 195
    assert summary.activations == 5 * 32 + 3
    assert summary.input_shapes == ((1, 6, 6),)


def test_the_table() -> None:
    text = str(gn.Sequential(gn.Linear(1000, 2), gn.Tanh()).summary((1000,)))
    assert text.splitlines() == [
        "layer     output shape  parameters  FLOPs",
        "--------  ------------  ----------  -----",
        "0 Linear  (2,)               2,002  4,002",
        "1 Tanh    (2,)                   0      2",
        "--------  ------------  ----------  -----",
        "total                        2,002  4,004",
    ]


def test_more_columns() -> None:
    summary = gn.Sequential(gn.Linear(1000, 2), gn.Tanh()).summary((1000,))
    assert summary.table(("kept", "4 kB", "", "4 kB"), ("", "a", "b", "")).splitlines() == [
        "layer     output shape  parameters  FLOPs  kept   ",
        "--------  ------------  ----------  -----  ----  -",
        "0 Linear  (2,)               2,002  4,002  4 kB  a",
        "1 Tanh    (2,)                   0      2        b",
        "--------  ------------  ----------  -----  ----  -",
        "total                        2,002  4,004  4 kB   ",
    ]


def test_a_shared_parameter_counts_once() -> None:
    net = gn.Sequential(gn.Linear(3, 3, bias=False), gn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert net.summary((3,)).parameters == 9


def test_it_changes_nothing() -> None:
    net = gn.Sequential(gn.BatchNorm1d(3), gn.Dropout()).astype("float64")
    before = net.state_dict()
    net.summary((3,))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert net[1].next_stream().step == 0


def test_a_single_layer_has_no_path() -> None:
    assert str(gn.ReLU().summary((3,))).splitlines()[2].startswith("ReLU ")
