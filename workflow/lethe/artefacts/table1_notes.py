"""What stands under Table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.artefacts.comparability import Comparability
from lethe.artefacts.rows import DDOF, RATES, Row, is_control, samplers_of
from lethe.artefacts.typeset import span_of

REAL = "Real images"


def notes_of(
    study: str,
    rows: Sequence[Row],
    titles: Mapping[str, str],
    controls: Mapping[str, tuple[dict[str, float], list[int]]],
    comparable: Comparability,
    check: float | None,
) -> list[str]:
    """``controls`` are by metric the real images' own values by target, and how many images; ``check`` is how far all
    training images are from the stored moments, where there are such."""
    every = [record for row in rows for cells in row.records.values() for record in cells.values()]
    judges = sorted({(record.judge, record.judge_sha256[:12]) for record in every})
    features = sorted({record.features for record in every if record.features})
    images = ", ".join(
        f"{metric.title} {span_of([r.n for row in rows for r in row.records[metric.name].values()])}"
        for metric in rows[0].metrics
    )
    first = rows[0].metrics[len(RATES)].name
    sizes = [size for _, counted in controls.values() for size in counted]
    seeds = sorted({seed for row in rows if not is_control(row) for seed in row.seeds})
    notes = [
        f"n: targets × seeds. ±: sample standard deviation (ddof {DDOF}) over these cells; none for one.",  # noqa: RUF001
        f"Judge: {'; '.join(f'{name}, sha256 {digest}' for name, digest in judges)}.",
        *_distance_notes(rows, features, check),
        f"Images a cell: {images}. Sampler: {samplers_of(every)}.",
    ]
    if seeds:
        notes.append(f"Training seeds of the methods: {', '.join(map(str, seeds))}.")
    if sizes:
        notes.append(
            f"{REAL}: the distance of {span_of(sizes)} real held-out images to the same reference, one value a target; "
            f"smaller sets have larger {first}, so it is no lower bound for {first}."
        )
    most = max(len(row.targets) for row in rows)
    notes += [
        f"{titles[row.variant]}: {len(row.targets)} of {most} targets only ({', '.join(row.targets)}); not compared."
        for row in rows
        if len(row.targets) < most
    ]
    notes += [
        "Italic: controls. Bold: best mean among the unlearning methods, whatever its uncertainty; the columns belong "
        "together, since what forgets little keeps much.",
        comparable.note(
            study, f"The paper's values are CIFAR-10 with Inception FID: not comparable with those of {study}."
        )
        + " Their ± is over ten classes, its ddof not stated.",
    ]
    return notes


def _distance_notes(rows: Sequence[Row], features: Sequence[str], check: float | None) -> list[str]:
    if "FID" not in rows[0].records:
        return [
            f"FD, KD: Fréchet distance and unbiased kernel distance (may be negative) in the judge's features: "
            f"{'; '.join(features)}."
        ]
    released = rows[0].metrics[len(RATES) + 1]
    references = sorted({record.reference for row in rows for record in row.records[released.name].values()})
    far = "" if check is None else f" All training images are {check:.2g} from it: 0 where network and front end agree."
    return [
        f"FID, KID: Fréchet distance and unbiased kernel distance (may be negative) in {'; '.join(features)}; to the "
        "training images of the remaining classes.",
        f"{released.title}: the same images, of the remaining classes, against {'; '.join(references)}, as the paper's "
        "code measures it; the paper's FID stands beside this one. It is above 0 for a model that has lost its target "
        f"and nothing else.{far}",
    ]
