"""Run under `gpunet emulate`: many functions of CuPy beside NumPy's, one line each: equal, raises or WRONG.

Not a test by itself: test_cupy_functions.py runs it and judges the lines.
"""

import sys
import warnings

import numpy as np

rng = np.random.default_rng(0)
F32 = rng.integers(-4, 5, (5, 7)).astype(np.float32)
SQUARE = (rng.integers(-3, 4, (6, 6)) + 9 * np.eye(6)).astype(np.float64)
SYMMETRIC = SQUARE @ SQUARE.T
INTS = rng.integers(-9, 10, (4, 9))
BYTES = rng.integers(0, 255, (3, 11)).astype(np.uint8)
COMPLEX = (F32 + 1j * F32[::-1]).astype(np.complex64)
HALF = F32.astype(np.float16)
BOOLS = F32 > 0
LONG = rng.standard_normal(3001)
POSITIVE = np.abs(LONG) + 0.5
INDEX = np.array([2, 0, 3, 2])

UNARY = (
    "abs negative sign square exp expm1 log1p sin cos tan arcsinh arctan sinh cosh tanh floor ceil rint trunc "
    "isnan isinf isfinite signbit radians degrees reciprocal exp2 cbrt"
).split()
BINARY = (
    "add subtract multiply divide floor_divide remainder fmod power maximum minimum fmax fmin arctan2 hypot copysign "
    "less less_equal equal not_equal greater logical_and logical_or logical_xor logaddexp nextafter"
).split()
REDUCTIONS = (
    "sum prod max min mean var std all any argmax argmin nansum nanmax nanmin nanmean ptp median count_nonzero nanprod "
    "nanargmax nanstd"
).split()


def cases():
    """(name, function of xp): the function computes from NumPy inputs that `a` moves."""

    def a(xp, array):
        return xp.asarray(array)

    for name in UNARY:
        yield f"{name} float32", lambda xp, n=name: getattr(xp, n)(a(xp, F32 / 8))
    for name in ("sqrt", "log", "log2", "log10", "arccosh"):
        yield f"{name} float64", lambda xp, n=name: getattr(xp, n)(a(xp, POSITIVE + 1))
    for name in ("arcsin", "arccos", "arctanh"):
        yield f"{name} float64", lambda xp, n=name: getattr(xp, n)(a(xp, np.tanh(LONG) * 0.9))
    for name in BINARY:
        yield f"{name} float32", lambda xp, n=name: getattr(xp, n)(a(xp, F32), a(xp, F32[:1] + 5))
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm"):
        yield f"{name} int64", lambda xp, n=name: getattr(xp, n)(a(xp, abs(INTS)), a(xp, abs(INTS[::-1]) % 7))
    for name in REDUCTIONS:
        yield f"{name} all", lambda xp, n=name: getattr(xp, n)(a(xp, F32))
    for name in ("sum", "max", "argmax", "mean", "all", "prod", "var", "median"):
        yield f"{name} axis 0", lambda xp, n=name: getattr(xp, n)(a(xp, F32), axis=0)
        yield f"{name} axis 1", lambda xp, n=name: getattr(xp, n)(a(xp, INTS), axis=1)
    for (
        dtype
    ) in "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64 complex128".split():
        yield f"astype {dtype}", lambda xp, d=dtype: a(xp, abs(F32)).astype(d)
        yield f"sum {dtype}", lambda xp, d=dtype: a(xp, abs(F32).astype(d)).sum(axis=1)
        yield f"x + x {dtype}", lambda xp, d=dtype: a(xp, abs(F32).astype(d)) + a(xp, abs(F32).astype(d))
        yield f"matmul {dtype}", lambda xp, d=dtype: a(xp, abs(F32).astype(d)) @ a(xp, abs(F32).astype(d)).T
        yield f"sort {dtype}", lambda xp, d=dtype: xp.sort(a(xp, (F32 + 4).astype(d)), axis=1)
        yield f"cumsum {dtype}", lambda xp, d=dtype: xp.cumsum(a(xp, abs(F32).astype(d)), axis=0)
    simple = {
        "arange": lambda xp: xp.arange(3, 40, 3),
        "linspace": lambda xp: xp.linspace(0, 1, 11),
        "eye": lambda xp: xp.eye(4, 5, 1),
        "full": lambda xp: xp.full((3, 2), 7.5),
        "tri": lambda xp: xp.tri(4),
        "zeros": lambda xp: xp.zeros((3, 4)),
        "diag": lambda xp: xp.diag(a(xp, SQUARE)),
        "tril": lambda xp: xp.tril(a(xp, SQUARE)),
        "meshgrid": lambda xp: xp.meshgrid(xp.arange(3), xp.arange(4))[1],
        "transpose": lambda xp: xp.ascontiguousarray(a(xp, F32).T),
        "slice": lambda xp: a(xp, F32)[::2, ::-1] + 1,
        "concatenate": lambda xp: xp.concatenate([a(xp, F32), a(xp, F32)], axis=1),
        "stack": lambda xp: xp.stack([a(xp, F32), a(xp, F32)], axis=1),
        "tile": lambda xp: xp.tile(a(xp, F32), (2, 3)),
        "repeat": lambda xp: xp.repeat(a(xp, F32), 3, axis=1),
        "roll": lambda xp: xp.roll(a(xp, F32), 2, axis=1),
        "flip": lambda xp: xp.flip(a(xp, F32), axis=0) * 1,
        "pad": lambda xp: xp.pad(a(xp, F32), ((1, 2), (0, 3))),
        "where": lambda xp: xp.where(a(xp, BOOLS), a(xp, F32), 0),
        "clip": lambda xp: xp.clip(a(xp, F32), -1, 2),
        "take": lambda xp: xp.take(a(xp, F32), a(xp, INDEX), axis=0),
        "fancy index": lambda xp: a(xp, F32)[a(xp, INDEX)],
        "boolean index": lambda xp: a(xp, F32)[a(xp, BOOLS)],
        "nonzero": lambda xp: xp.stack(xp.nonzero(a(xp, F32))),
        "argwhere": lambda xp: xp.argwhere(a(xp, F32)),
        "flatnonzero": lambda xp: xp.flatnonzero(a(xp, F32)),
        "put": lambda xp: put(xp, a(xp, F32).copy()),
        "set fancy": lambda xp: set_fancy(xp, a(xp, F32).copy()),
        "set boolean": lambda xp: set_boolean(xp, a(xp, F32).copy(), a(xp, BOOLS)),
        "bincount": lambda xp: xp.bincount(a(xp, BYTES.ravel())),
        "histogram": lambda xp: xp.histogram(a(xp, LONG), bins=10)[0],
        "digitize": lambda xp: xp.digitize(a(xp, LONG), xp.linspace(-2, 2, 9)),
        "searchsorted": lambda xp: xp.searchsorted(xp.linspace(-2, 2, 9), a(xp, LONG)),
        "interp": lambda xp: xp.interp(a(xp, LONG), xp.linspace(-2, 2, 9), xp.arange(9.0)),
        "cumsum long": lambda xp: xp.cumsum(a(xp, np.arange(100000))),
        "cumprod": lambda xp: xp.cumprod(a(xp, POSITIVE[:50])),
        "diff": lambda xp: xp.diff(a(xp, LONG)),
        "gradient": lambda xp: xp.gradient(a(xp, LONG)),
        "convolve": lambda xp: xp.convolve(a(xp, LONG[:50]), a(xp, POSITIVE[:5])),
        "sort long": lambda xp: xp.sort(a(xp, LONG)),
        "sort nan": lambda xp: xp.sort(a(xp, np.array([3.0, np.nan, -1.0, np.inf]))),
        "argsort": lambda xp: xp.argsort(a(xp, LONG)),
        "argsort rows": lambda xp: xp.argsort(a(xp, rng_permuted()), axis=1),
        "lexsort": lambda xp: xp.lexsort(a(xp, np.stack([INTS.ravel(), -INTS.ravel() % 3]))),
        "partition": lambda xp: xp.sort(xp.partition(a(xp, LONG), 20)[:20]),
        "argpartition": lambda xp: xp.sort(a(xp, LONG)[xp.argpartition(a(xp, LONG), 20)[:20]]),
        "unique": lambda xp: xp.unique(a(xp, INTS)),
        "unique inverse": lambda xp: xp.unique(a(xp, INTS.ravel()), return_inverse=True)[1],
        "unique counts": lambda xp: xp.unique(a(xp, INTS), return_counts=True)[1],
        "isin": lambda xp: xp.isin(a(xp, INTS), xp.asarray([1, 2, 5])),
        "percentile": lambda xp: xp.percentile(a(xp, LONG), [10, 50, 90]),
        "quantile": lambda xp: xp.quantile(a(xp, F32), 0.3, axis=0),
        "average": lambda xp: xp.average(a(xp, F32), axis=0, weights=a(xp, POSITIVE[:5])),
        "cov": lambda xp: xp.cov(a(xp, F32)),
        "corrcoef": lambda xp: xp.corrcoef(a(xp, F32)),
        "dot": lambda xp: xp.dot(a(xp, LONG), a(xp, LONG)),
        "vdot complex": lambda xp: xp.vdot(a(xp, COMPLEX.ravel()), a(xp, COMPLEX.ravel())),
        "inner": lambda xp: xp.inner(a(xp, F32), a(xp, F32)),
        "outer": lambda xp: xp.outer(a(xp, LONG[:9]), a(xp, LONG[:5])),
        "kron": lambda xp: xp.kron(a(xp, F32), a(xp, SQUARE[:2, :2])),
        "cross": lambda xp: xp.cross(a(xp, F32[:, :3]), a(xp, F32[:, 3:6])),
        "trace": lambda xp: xp.trace(a(xp, SQUARE)),
        "matvec": lambda xp: a(xp, SQUARE) @ a(xp, LONG[:6]),
        "vecmat": lambda xp: a(xp, LONG[:6]) @ a(xp, SQUARE),
        "batched matmul": lambda xp: xp.matmul(a(xp, batch(F32)), a(xp, batch(F32)).swapaxes(1, 2)),
        "broadcast matmul": lambda xp: xp.matmul(a(xp, batch(F32)), a(xp, F32.T)),
        "einsum": lambda xp: xp.einsum("ij,kj->ik", a(xp, F32), a(xp, F32)),
        "einsum trace": lambda xp: xp.einsum("ii->i", a(xp, SQUARE)) + 0,
        "tensordot": lambda xp: xp.tensordot(a(xp, batch(F32)), a(xp, batch(F32)), axes=([1, 2], [1, 2])),
        "norm": lambda xp: xp.linalg.norm(a(xp, F32), axis=1),
        "solve": lambda xp: xp.linalg.solve(a(xp, SQUARE), a(xp, LONG[:6])),
        "inv": lambda xp: xp.linalg.inv(a(xp, SQUARE)),
        "det": lambda xp: xp.linalg.det(a(xp, SQUARE)),
        "cholesky": lambda xp: xp.linalg.cholesky(a(xp, SYMMETRIC)),
        "qr": lambda xp: abs(xp.linalg.qr(a(xp, SQUARE))[1]),
        "svd values": lambda xp: xp.linalg.svd(a(xp, SQUARE), compute_uv=False),
        "eigvalsh": lambda xp: xp.linalg.eigvalsh(a(xp, SYMMETRIC)),
        "lstsq": lambda xp: xp.linalg.lstsq(a(xp, SQUARE), a(xp, LONG[:6]), rcond=None)[0],
        "pinv": lambda xp: xp.linalg.pinv(a(xp, SQUARE)),
        "matrix_power": lambda xp: xp.linalg.matrix_power(a(xp, SQUARE), 3),
        "fft": lambda xp: xp.fft.fft(a(xp, LONG[:64])),
        "rfft2": lambda xp: xp.fft.rfft2(a(xp, F32)),
        "real imag": lambda xp: a(xp, COMPLEX).real * 2 + a(xp, COMPLEX).imag,
        "conj": lambda xp: a(xp, COMPLEX).conj(),
        "angle": lambda xp: xp.angle(a(xp, COMPLEX)),
        "abs complex": lambda xp: abs(a(xp, COMPLEX)),
        "exp complex": lambda xp: xp.exp(a(xp, COMPLEX) / 4),
        "complex matmul": lambda xp: a(xp, COMPLEX) @ a(xp, COMPLEX).conj().T,
        "packbits": lambda xp: xp.packbits(a(xp, BOOLS)),
        "polyfit": lambda xp: xp.polyfit(a(xp, LONG[:20]), a(xp, POSITIVE[:20]), 2),
        "polyval": lambda xp: xp.polyval(a(xp, LONG[:4]), a(xp, POSITIVE)),
        "select": lambda xp: xp.select([a(xp, BOOLS), a(xp, ~BOOLS)], [a(xp, F32), a(xp, -F32)]),
        "choose": lambda xp: xp.choose(a(xp, INDEX % 2), [a(xp, INDEX), a(xp, -INDEX)]),
        "nan_to_num": lambda xp: xp.nan_to_num(a(xp, np.array([np.nan, np.inf, 1.0]))),
        "apply_along_axis": lambda xp: xp.apply_along_axis(lambda v: v.sum(), 1, a(xp, F32)),
        "broadcast_to": lambda xp: xp.broadcast_to(a(xp, F32[0]), (4, 7)) + 0,
        "in place": lambda xp: in_place(a(xp, F32).copy()),
        "scalar item": lambda xp: xp.asarray(float(a(xp, F32)[1, 2])),
        "fill": lambda xp: filled(xp.empty((3, 3), dtype="float32")),
        "round": lambda xp: xp.around(a(xp, LONG), 2),
        "sinc": lambda xp: xp.sinc(a(xp, LONG)),
        "i0": lambda xp: xp.i0(a(xp, LONG)),
        "trapezoid": lambda xp: xp.trapezoid(a(xp, LONG)),
        "0-d": lambda xp: a(xp, F32).sum() * 2 + 1,
        "empty array": lambda xp: a(xp, F32)[:0].sum(axis=0),
        "big reduction": lambda xp: a(xp, np.arange(1 << 20, dtype=np.int64)).sum(),
    }
    yield from simple.items()


def batch(array):
    return np.stack([array, array + 1, array - 2])


def rng_permuted():
    return np.random.default_rng(1).permuted(np.tile(np.arange(50), (4, 1)), axis=1)


def put(xp, array):
    xp.put(array, xp.asarray([0, 5]), xp.asarray([100.0, 200.0], dtype="float32"))
    return array


def set_fancy(xp, array):
    array[xp.asarray([1, 3])] = 9
    return array


def set_boolean(xp, array, mask):
    array[mask] = -1
    return array


def in_place(array):
    array += 1
    array *= 2
    return array


def filled(array):
    array.fill(3)
    return array


def equal(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return False
    if theirs.dtype.kind in "biu":
        return bool(np.array_equal(ours, theirs))
    # libm, BLAS and the order of a sum differ by a few units in the last place.
    precision = {"e": 2e-3, "f": 2e-5, "F": 2e-5}.get(theirs.dtype.char, 1e-9)
    return bool(np.allclose(ours, theirs, rtol=precision, atol=precision, equal_nan=True))


def main():
    import cupy as cp

    warnings.simplefilter("ignore")
    chosen = sys.argv[1:]
    for name, function in cases():
        if chosen and not any(word in name for word in chosen):
            continue
        theirs = function(np)
        try:
            ours = cp.asnumpy(function(cp))
        except Exception as error:  # noqa: BLE001  (the exception is the result)
            print(f"raises\t{name}\t{type(error).__name__}: {' '.join(str(error).split())[:200]}", flush=True)
            continue
        verdict = "equal" if equal(ours, theirs) else "WRONG"
        print(f"{verdict}\t{name}\t{'' if verdict == 'equal' else (ours, theirs)}".replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
