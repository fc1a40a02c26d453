"""What table ``outside`` is made of: image by image, from the judges' outputs on the images of one target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from lethe.artefacts.naming import CellName
from lethe.errors import LetheError
from lethe.measure.judged import Judged, read_judged
from lethe.measures.attributes import recognised
from lethe.measures.bootstrap import Estimate, Resampled
from lethe.measures.detections import count_by_part
from lethe.measures.named import clip_errors
from lethe.prompt_images import prompt_images
from lethe.prompts import OUTSIDE, read_prompts
from lethe.randomness import derived_seed
from lethe.settings.measures import ConceptSeen, TextMeasureSettings
from lethe.settings.text_sampling import TextSamplingSettings

FORGET = {"forget_train": "seen prompts", "forget_test": "held-out words", "forget_outside": "other phrasings"}
RETAIN = {"retain_test": "held-out words", "retain_outside": "other phrasings"}


class Column(NamedTuple):
    """A number of the table: ``left`` is the share of images in which the concept is still detected or recognised."""

    quantity: Literal["left", "CER", "AS"]
    prompts: str

    @property
    def better(self) -> Literal["higher", "lower"]:
        return "lower" if self.quantity == "left" else "higher"


COLUMNS = (
    *(Column("left", name) for name in FORGET),
    *(Column("CER", name) for name in FORGET),
    *(Column("AS", name) for name in RETAIN),
)
COMPARED = (Column("left", OUTSIDE[0]), Column("CER", OUTSIDE[0]), Column("AS", OUTSIDE[1]))
"""What of two rows is compared: that on prompts outside the unlearning set."""


class Judge(NamedTuple):
    """Who judged a quantity, and how it looked."""

    name: str
    sha256: str
    features: str

    @property
    def words(self) -> str:
        return f"{self.name}, sha256 {self.sha256[:12]}"


class Verdict(NamedTuple):
    """``first`` against ``second``: the differences of COMPARED (first - second; None where one lacks a number) and
    what they say of the first."""

    first: str
    second: str
    differences: dict[Column, Estimate | None]
    words: str


@dataclass(frozen=True)
class Outside:
    """One target: values (N,) of each image by row and column, each the mean over the row's training seeds; and who
    judged each quantity."""

    name: str
    values: Mapping[tuple[str, Column], np.ndarray]
    resampled: Mapping[str, Resampled]
    seeds: Mapping[str, int]
    judges: Mapping[str, Judge]
    confidence: float

    def estimate(self, variant: str, column: Column) -> Estimate | None:
        """The mean over images with its interval over prompts; None where it was not judged."""
        values = self.values.get((variant, column))
        return None if values is None else self.resampled[column.prompts].mean(values, self.confidence)

    def verdict(self, first: str, second: str) -> Verdict:
        differences = {column: self._difference(first, second, column) for column in COMPARED}
        signs = {_sign(column, found) for column, found in differences.items() if found is not None}
        words = {
            (True, False): "better",
            (False, True): "worse",
            (True, True): "better in one, worse in another",
            (False, False): "no difference",
        }[1 in signs, -1 in signs]
        return Verdict(first, second, differences, words)

    def _difference(self, first: str, second: str, column: Column) -> Estimate | None:
        """Paired by image, resampled by prompt."""
        one, other = (self.values.get((variant, column)) for variant in (first, second))
        if one is None or other is None:
            return None
        return self.resampled[column.prompts].mean(one - other, self.confidence)


# What the table prints as 0.000 is no difference, however surely it is not zero.
_VISIBLE = 0.0005


def _sign(column: Column, difference: Estimate) -> int:
    """1 where the first is better, -1 where it is worse, 0 where the interval holds zero or nothing is to be seen.
    Where every prompt has the same difference there is no interval: it counts as it is."""
    if abs(difference.value) < _VISIBLE:
        return 0
    low = difference.value if difference.low is None else difference.low
    high = difference.value if difference.high is None else difference.high
    if low <= 0 <= high:
        return 0
    return 1 if (low > 0) == (column.better == "higher") else -1


def outside_of(
    target: str,
    cells: Mapping[CellName, Sequence[Path]],
    prompts: Path,
    seen: ConceptSeen,
    sampling: TextSamplingSettings,
    settings: TextMeasureSettings,
) -> Outside:
    """Read the judges' outputs of one target's cells, each from its shards. ``seen`` says how the concept shows: by an
    attribute of the attribute judge if one is named, by the detector's parts otherwise."""
    rows = read_prompts(prompts)
    plan = prompt_images(rows, "measure", sampling)
    set_of = np.array([rows[row].set for row in plan.rows])
    places = {name: np.flatnonzero(set_of == name) for name in (*FORGET, *RETAIN)}
    if missing := [name for name, found in places.items() if not found.size]:
        raise LetheError(
            f"{prompts}: it has no {missing[0]}", f"give the target {target} sentences outside, or drop it"
        )
    by_row: dict[str, list[dict[Column, np.ndarray]]] = {}
    judges: list[tuple[Path, dict]] = []
    for cell, paths in cells.items():
        judged, made = read_judged(paths, plan)
        judges.append((paths[0], made["judges"]))
        if made["judges"] != judges[0][1]:
            raise LetheError(
                f"{judges[0][0]} and {paths[0]} were judged by different judges", "judge both with the same ones"
            )
        by_row.setdefault(cell.variant, []).append(_columns(judged, places, seen, settings))
    values = {
        (variant, column): np.mean([seed[column] for seed in seeds], axis=0)
        for variant, seeds in by_row.items()
        for column in seeds[0]
    }
    resampled = {
        name: Resampled(
            plan.rows[chosen], draws=settings.draws, seed=derived_seed(settings.bootstrap_seed, "bootstrap", name)
        )
        for name, chosen in places.items()
    }
    named = _judges(judges[0][1], seen, settings) if judges else {}
    return Outside(
        target, values, resampled, {row: len(seeds) for row, seeds in by_row.items()}, named, settings.confidence
    )


def _judges(
    made: Mapping[str, Mapping[str, str]], seen: ConceptSeen, settings: TextMeasureSettings
) -> dict[str, Judge]:
    """By quantity, from what the judge stage says of its judges."""
    parts = " ".join(seen.parts) or "all parts"
    looks = {
        "left": ("attributes", seen.attribute)
        if seen.attribute
        else ("detector", f"score > {settings.threshold:g}, {parts}"),
        "CER": ("alignment", "cosine with the names of concept and anchor"),
        "AS": ("alignment", "cosine with the prompt, evaluation transform"),
    }
    return {
        quantity: Judge(made[judge]["name"], made[judge]["sha256"], features)
        for quantity, (judge, features) in looks.items()
    }


def _columns(
    judged: Judged, places: Mapping[str, np.ndarray], seen: ConceptSeen, settings: TextMeasureSettings
) -> dict[Column, np.ndarray]:
    """The values of one cell's images; a column without its judge is left out."""
    if seen.attribute:
        if judged.attributes is None:
            raise LetheError(f"no attribute judge has seen the images, but {seen.attribute} is asked for", "judge them")
        left = recognised(judged.attributes, judged.heads, seen.attribute)
    else:
        left = count_by_part(judged.found, judged.parts_of(seen.parts), settings.threshold).any(axis=1)
    found = {"left": left, "AS": judged.similarity}
    if "anchor" in judged.named:
        found["CER"] = clip_errors(judged.named["concept"].cosine, judged.named["anchor"].cosine)
    return {
        column: found[column.quantity][places[column.prompts]].astype(np.float64)
        for column in COLUMNS
        if column.quantity in found
    }
