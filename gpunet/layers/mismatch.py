"""Why a state does not fit a net: what is missing, unexpected or of another shape, and what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

Shape = tuple[int, ...]

_MOST = 20  # names of each kind that a message lists; of a net of another kind there would be hundreds
_ALIKE = 0.5  # share of two names that must be equal for one to be called near to the other


def description(
    *,
    missing: Sequence[str],
    unexpected: Sequence[str],
    unreadable: Mapping[str, str],
    shapes: Mapping[str, tuple[Shape, Shape]],
    names: Sequence[str],
    given: Sequence[str],
) -> str:
    """One line, or an empty text where nothing is wrong.

    Args:
        missing: names that the net has and the state does not.
        unexpected: names that the state has and the net does not.
        unreadable: what stands under a name that is no array of real numbers.
        shapes: of what does not fit: as given and as wanted.
        names: all that the net has.
        given: all that the state has.
    """
    parts = []
    if missing:
        parts.append(f"missing{_listed(_with_nearest(missing, unexpected), len(missing))}")
    if unexpected:
        parts.append(f"unexpected{_listed(_with_nearest(unexpected, missing), len(unexpected))}")
    if unreadable:
        entries = (f"{name}: {what}" for name, what in unreadable.items())
        parts.append(f"not real numbers{_listed(entries, len(unreadable))}")
    if shapes:
        entries = (f"{name}: got {got}, wanted {wanted}" for name, (got, wanted) in shapes.items())
        parts.append(f"of another shape{_listed(entries, len(shapes))}")
    if not parts:
        return ""
    layers = {name.rpartition(".")[0] for name in shapes}
    if len(layers) == 1 and len(parts) == 1:
        advice = f" All else fits: to load it, leave out what belongs to {layers.pop()!r} and give strict=False."
    else:
        advice = _advice(names, given, unexpected)
    return f"{'; '.join(parts)}.{advice}"


def _listed(entries: Iterable[str], count: int) -> str:
    """``: a, b, c``, or `` (100): a, b, c and 97 more``."""
    shown = [entry for _, entry in zip(range(_MOST), entries, strict=False)]
    if count <= _MOST:
        return f": {', '.join(shown)}"
    return f" ({count}): {', '.join(shown)} and {count - _MOST} more"


def _with_nearest(names: Sequence[str], candidates: Sequence[str]) -> Iterable[str]:
    """The names, each with that of ``candidates`` which is most like it; one at a time, as looking takes long."""
    for name in names:
        # A weight is looked for among weights, whose names are then judged by the layers.
        end = name.rpartition(".")[2]
        alike = [other for other in candidates if other.rpartition(".")[2] == end] or candidates
        nearest = difflib.get_close_matches(name, alike, n=1, cutoff=_ALIKE)
        yield f"{name} (nearest: {nearest[0]})" if nearest else name


def _advice(names: Sequence[str], given: Sequence[str], unexpected: Sequence[str]) -> str:
    """What is often the reason."""
    if not unexpected:
        return ""
    first = unexpected[0].partition(".")[0] + "."
    own = set(names)
    if all(name.startswith(first) and name.removeprefix(first) in own for name in given):
        return (
            f" All names begin with {first!r}, as of a model inside another. Give "
            f"{{name.removeprefix({first!r}): array for name, array in state.items()}}."
        )
    wrappers = [name for name in ("state_dict", "model_state_dict", "model", "net", "weights") if name in unexpected]
    if wrappers and not own & set(given):
        return f" The weights may stand one level deeper: give state[{wrappers[0]!r}]."
    return ""
