"""What a comparison says on the terminal: counts first, then the regressions by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lethe.artefacts.typeset import MINUS, decimals_of, number
from lethe.compare.entries import APART, VERDICTS, Entry, Verdict
from lethe.compare.reading import Run
from lethe.compare.verdicts import Comparison, Options

_LISTED = {"worse": 50, "different": 10, "better": 10}
_TITLES = {"worse": "REGRESSIONS", "different": "different, in no better direction", "better": "better"}


def counted(comparison: Comparison) -> dict[Verdict, int]:
    """How many entries have each verdict, those that none has left out."""
    found = Counter(entry.verdict for entry in comparison.entries)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def rule_of(comparison: Comparison, options: Options) -> str:
    if not comparison.tests:
        return "Nothing had to be tested."
    return (
        f"Tests that could say something: {comparison.tests}, corrected together (Holm). Where nothing has changed, "
        f"the probability of any false alarm is {options.level:g} at most. A number without a test may change by "
        f"{100 * options.tolerance:g} %."
    )


def summary(a: Run, b: Run, comparison: Comparison, options: Options) -> Iterator[str]:
    """Lines of text."""
    width = max(len(a.name), len(b.name))
    for letter, run in (("A", a), ("B", b)):
        yield f"{letter}  {run.name:{width}}  {len(run.records)} records"
    if a.digest == b.digest:
        yield "the record files are the same, byte for byte"
    yield ", ".join(f"{count} {verdict}" for verdict, count in counted(comparison).items())
    yield rule_of(comparison, options)
    for verdict, most in _LISTED.items():
        found = [entry for entry in comparison.entries if entry.verdict == verdict]
        if not found:
            continue
        yield f"\n{_TITLES[verdict]}"
        found.sort(key=lambda entry: 0.0 if entry.adjusted is None else entry.adjusted)
        yield from (f"  {described(entry)}" for entry in found[:most])
        if len(found) > most:
            yield f"  ... and {len(found) - most} more: --output lists them"
    yield from _reasons(comparison)


def described(entry: Entry) -> str:
    """``digits, 3, rgd, seed 0: RA 0.981 to 0.602, -0.379 [-0.43, -0.33], p < 0.001 (...)``."""
    return f"{entry.place} {change(entry)}{_tested(entry)} ({entry.why})"


def change(entry: Entry) -> str:
    values = [value for value in (entry.a, entry.b) if value is not None]
    digits = max(decimals_of(value) for value in values)
    return " to ".join(number(value, digits) for value in values).replace(MINUS, "-")


def _tested(entry: Entry) -> str:
    if entry.difference is None or entry.adjusted is None:
        return ""
    digits = decimals_of(entry.difference.value)
    value, low, high = (number(x, digits).replace(MINUS, "-") for x in entry.difference[:3])
    p = "p < 0.001" if entry.adjusted < 0.001 else f"p = {entry.adjusted:.3f}"
    return f", difference {value} [{low}, {high}], corrected {p}"


def _reasons(comparison: Comparison) -> Iterator[str]:
    for verdict in APART:
        found = [entry for entry in comparison.entries if entry.verdict == verdict]
        if not found:
            continue
        yield f"\n{verdict}"
        by = Counter(
            entry.why if verdict == "not comparable" else ", ".join(entry.place[:4]) for entry in found
        ).most_common()
        yield from (f"  {count} numbers: {words}" for words, count in by[:10])
        if len(by) > 10:
            yield f"  ... and {len(by) - 10} more kinds"


def costs(a: Run, b: Run) -> Iterator[str]:
    """Seconds and memory of the unlearning, model by model: shown, never judged, since they are the machine's too."""
    shared = [cell for cell in a.costs if cell in b.costs]
    yield f"\ncost of the unlearning, {len(shared)} models that both runs have: seconds (GB), A to B; not judged"
    for cell in shared:
        spent = [(run.costs[cell]["seconds"], run.costs[cell]["peak_memory_bytes"] / 1e9) for run in (a, b)]
        times = " to ".join(f"{seconds:.1f} ({gigabytes:.2f})" for seconds, gigabytes in spent)
        yield f"  {', '.join(map(str, cell[:3]))}, seed {cell[3]}: {times}"
