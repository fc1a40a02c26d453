"""The measure stage where images were compared with names: CS, CER, neighbours, distances; and no change without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_measures_named import by_square_root

from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.measure.text import main, parser
from lethe.prompt_images import prompt_images
from lethe.prompts import prompt_rows, write_prompts
from lethe.record import Record, read_records
from lethe.settings.concept import Concept
from lethe.settings.text_sampling import TextSamplingSettings

HEADS = {
    "shape": ["circle", "bar", "ring"],
    "colour": ["orange", "purple", "red", "green"],
    "place": ["on sand", "in mud", "on a road", "at sea", "in fog"],
}
JUDGES = {name: {"name": name, "sha256": name} for name in ("alignment", "detector", "attributes")}
SAMPLING = TextSamplingSettings(train_prompts=4, images_per_prompt=2)
NAMED = [["concept", "ring"], ["anchor", ""], ["neighbour_bar", "bar"], ["neighbour_star", "star"]]
CONCEPT = Concept(
    title="ring",
    words=("ring",),
    sentences=("A {colour} {concept} {place}",),
    train={"colour": ("red", "green"), "place": ("on sand", "in mud")},
    test={"colour": ("orange", "purple"), "place": ("on a road", "at sea", "in fog")},
    train_pairs=4,
    test_pairs=6,
    prompt="ring",
    uniform=("a ring", "a shape"),
    attribute="shape=ring",
    anchor="",
    outside=("here: {concept}, {colour}, {place}", "a {concept} {place} in {colour}"),
    neighbours={"bar": "bar", "star": "star"},
)
ROWS = prompt_rows(CONCEPT)
PLAN = prompt_images(ROWS, "measure", SAMPLING)
SET_OF = np.array([ROWS[row].set for row in PLAN.rows])
Arrays = dict[str, np.ndarray]


def outputs(seed: int) -> Arrays:
    random, count = np.random.default_rng(seed), len(PLAN.rows)
    named = random.uniform(-0.2, 0.6, size=(count, len(NAMED))).astype(np.float32)
    named[::7, 0] = named[::7, 1]  # ties
    return {
        "rows": PLAN.rows,
        "seeds": PLAN.seeds,
        "similarity": random.uniform(0, 0.5, size=count).astype(np.float32),
        "similarity_as_released": random.uniform(0, 0.5, size=count).astype(np.float32),
        "detection_image": np.zeros(0, np.int64),
        "detection_part": np.zeros(0, np.int64),
        "detection_score": np.zeros(0, np.float32),
        "attributes": np.stack([random.integers(-1, len(words), size=count) for words in HEADS.values()], axis=1),
        "features": random.normal(size=(count, 4)).astype(np.float32),
        "named": named,
    }


def write(path: Path, arrays: Arrays, **changes: object) -> Path:
    made = {"judges": JUDGES, "parts": ["RING"], "heads": list(HEADS.items()), "smallest_score": 0.05, "named": NAMED}
    made |= {"channels": "rgb", "cut": {}}
    made |= {"images": {"sampler": "PNDM", "settings": {"steps": 50}}}
    write_arrays(path, arrays, {name: value for name, value in (made | changes).items() if value is not None})
    return path


def measured(folder: Path, judged: Path, base: Path, *words: str) -> dict[tuple[str, str], Record]:
    write_prompts(folder / "prompts.csv", ROWS)
    options = {
        "judged": judged,
        "base-judged": base,
        "prompts": folder / "prompts.csv",
        "output": folder / "records.csv",
        "threshold-curve": folder / "threshold.csv",
        "target": "ring",
        "minimum-prompts": 4,
        "minimum-distance": 12,
        "draws": 100,
        "sampling-train-prompts": SAMPLING.train_prompts,
        "sampling-images-per-prompt": SAMPLING.images_per_prompt,
        "concept-attribute": "shape=ring",
    }
    main(parser().parse_args([*(f"--{name}={value}" for name, value in options.items()), *words]))
    return {(record.prompts, record.metric): record for record in read_records([folder / "records.csv"])}


@pytest.fixture
def found(tmp_path: Path) -> dict[tuple[str, str], Record]:
    judged, base = write(tmp_path / "judged", outputs(1)), write(tmp_path / "base", outputs(2))
    return measured(tmp_path, judged, base)


@pytest.mark.parametrize("name", list(dict.fromkeys(SET_OF)))
def test_scores_are_with_the_concepts_name_or_the_neighbours(found, name):
    own, arrays = name == SET_OF, outputs(1)
    column = {"neighbour_bar": 2, "neighbour_star": 3}.get(name, 0)
    record = found[name, "CS"]
    assert record.value == pytest.approx(arrays["named"][own, column].astype(float).mean(), rel=1e-9)
    assert f"'{NAMED[column][1]}'" in record.features
    assert record.low < record.value < record.high
    if name.startswith("neighbour"):
        assert (name, "CER") not in found
    else:
        target, anchor = arrays["named"][own, 0], arrays["named"][own, 1]
        assert found[name, "CER"].value == pytest.approx(1 - np.mean(anchor < target))
        assert found[name, "CER"].n == own.sum()
        assert "nearer to 'ring' than to the empty text" in found[name, "CER"].features


@pytest.mark.parametrize("name", ["neighbour_bar", "neighbour_star"])
def test_a_neighbour_has_a_distance_to_the_base_and_is_recognised_where_the_judge_knows_it(found, name):
    own, record = name == SET_OF, found[name, "FD_to_base"]
    features, base = (outputs(seed)["features"][own].astype(float) for seed in (1, 2))
    assert record.value == pytest.approx(by_square_root(features, base), rel=1e-6)
    seeds, rows = PLAN.seeds[own], PLAN.rows[own]
    first = np.array([seed == min(seeds[rows == row]) for row, seed in zip(rows, seeds, strict=True)])
    assert record.control == pytest.approx(by_square_root(base[first], base[~first]), rel=1e-6)
    assert (record.n, record.control_n, record.judge) == (12, 6, "attributes")
    if name == "neighbour_bar":
        seen = outputs(1)["attributes"][own, 0] == HEADS["shape"].index("bar")
        assert found[name, "recognised_neighbour"].value == pytest.approx(seen.mean())
    else:
        assert (name, "recognised_neighbour") not in found
    assert not any(metric == "FD_to_base" for prompts, metric in found if not prompts.startswith("neighbour"))


def test_the_base_is_at_zero(tmp_path):
    base = write(tmp_path / "base", outputs(2))
    found = measured(tmp_path, base, base)
    assert found["neighbour_bar", "FD_to_base"].value == pytest.approx(0, abs=1e-9)


def test_names_change_no_other_record(tmp_path):
    def run(named: object) -> str:
        drop = () if named else ("named",)
        files = [
            write(tmp_path / name, {k: v for k, v in outputs(seed).items() if k not in drop}, named=named)
            for name, seed in (("judged", 1), ("base", 2))
        ]
        measured(tmp_path, *files)
        return (tmp_path / "records.csv").read_text()

    with_names, without = run(NAMED).splitlines(), run(None).splitlines()
    assert set(without) < set(with_names)
    assert [line for line in with_names if line in set(without)] == without


def test_what_does_not_go_together_is_refused(tmp_path):
    judged, base = write(tmp_path / "judged", outputs(1)), write(tmp_path / "base", outputs(2))
    with pytest.raises(LetheError, match=r"12 images.*13"):
        measured(tmp_path, judged, base, "--minimum-distance=13")
    other = write(tmp_path / "other", outputs(2), named=[["concept", "rings"], *NAMED[1:]])
    with pytest.raises(LetheError, match="compared with different names"):
        measured(tmp_path, judged, other)
    fewer = [write(tmp_path / f"fewer{seed}", outputs(seed), named=NAMED[:3]) for seed in (1, 2)]
    with pytest.raises(LetheError, match="not given the name of neighbour_star"):
        measured(tmp_path, *fewer)
