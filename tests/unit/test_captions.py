"""FID and KID on captions: photographs become squares, features are streamed, distances are those of the formulas."""

from __future__ import annotations

import argparse
import copy
import csv
import zipfile
from pathlib import Path

import class_assets
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from stages import run

import lethe.judge.captions
import lethe.judge.photographs
import lethe.measure.captions
from lethe.artefacts import captions
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.judges.inception import load_inception, look_inception
from lethe.judges.photographs import photograph_names, square, squares
from lethe.measures.frechet import frechet_distance
from lethe.measures.kernel import kernel_distance
from lethe.plan import Plan
from lethe.prompt_images import prompt_images
from lethe.prompts import SETS, PromptRow, write_prompts
from lethe.record import Record, read_records, write_records
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.shards import read_shards

SIZE, CAPTIONS, SHARD = 16, 6, 4
MINIATURE = Path(__file__).parents[2] / "config.yaml"


def noise(count: int, height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


# Photographs


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photographs, wide, high and grey ones among them, written in another order than that of their names."""
    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(folder / "some.zip", "w") as made:
        for number in reversed(range(7)):
            image = Image.fromarray(noise(1, 20 + 4 * (number % 3), 24, number)[0])
            image = image.convert("L") if number == 3 else image
            image.save(folder / f"{number}.png")
            made.write(folder / f"{number}.png", f"val/{number}.png")
        made.writestr("__MACOSX/val/._0.png", b"no image")
        made.writestr("val/readme.txt", b"no image")
    return folder / "some.zip"


def test_photographs_come_in_the_order_of_their_names_from_an_archive_and_from_a_folder(archive: Path) -> None:
    names = photograph_names(archive)
    assert names == [f"val/{number}.png" for number in range(7)]
    from_archive = np.stack(list(squares(archive, names, SIZE)))
    from_folder = np.stack(list(squares(archive.parent, photograph_names(archive.parent), SIZE)))
    assert from_archive.shape == (7, 3, SIZE, SIZE)
    np.testing.assert_array_equal(from_archive, from_folder)


def test_a_square_is_the_middle_and_is_not_stretched() -> None:
    wide = noise(1, 16, 24, 0)[0]
    np.testing.assert_array_equal(square(Image.fromarray(wide), 16), wide[:, 4:20].transpose(2, 0, 1))
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, 16:48] = 200  # all of the middle square
    resized = square(Image.fromarray(stripes), 8)
    assert (resized[:, :, 2:-2] == 200).all()
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[:, ::2] = 255  # antialiased: every other line becomes grey
    assert abs(square(Image.fromarray(fine), 16)[:, :, 2:-2].astype(int) - 127).max() <= 2


def test_what_is_no_photograph_is_named(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(LetheError, match="no such file or folder"):
        photograph_names(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(LetheError, match="not a zip archive"):
        photograph_names(tmp_path / "text.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LetheError, match="holds no images"):
        photograph_names(tmp_path / "empty")
    whole = (archive.parent / "0.png").read_bytes()
    (tmp_path / "empty/cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LetheError, match=r"cut\.png: not a readable image"):
        list(squares(tmp_path / "empty", ["cut.png"], SIZE))


# Distances


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Path:
    """A folder with weights, the photographs' features, prompts, and two shards of images of all prompts."""
    folder = tmp_path_factory.mktemp("captions")
    class_assets.write_inception(folder / "weights.pth")
    run(
        lethe.judge.photographs,
        f"--images {archive} --weights {folder}/weights.pth --output {folder}/real --size {SIZE} --batch 3 "
        "--front-end pytorch --device cpu --fingerprint made",
    )
    rows = [PromptRow(name, 0, f"prompt of {name}", {}) for name in SETS]
    rows += [PromptRow("listed_coco", number, f"caption {number}", {}) for number in range(CAPTIONS)]
    write_prompts(folder / "prompts.csv", rows)
    images = noise(len(rows), SIZE, SIZE, 9).transpose(0, 3, 1, 2)
    plan = prompt_images(rows, "measure", TextSamplingSettings())
    for size in (SHARD, 100):
        for shard, first in enumerate(range(0, len(plan.rows), size)):
            part = slice(first, first + size)
            arrays = {"images": images[plan.rows[part]], "rows": plan.rows[part], "seeds": plan.seeds[part]}
            settings = TextSamplingSettings(shard_images=size).model_dump()
            record = {"sampler": "PNDM", "fingerprint": "x", "purpose": "measure", "settings": settings, "shard": shard}
            write_arrays(folder / f"shard{size}-{shard}", arrays, record)
            look(folder, f"shard{size}-{shard}")
    return folder


def look(folder: Path, images: str, more: str = "") -> None:
    run(
        lethe.judge.captions,
        f"--images {folder}/{images} --prompts {folder}/prompts.csv --set listed_coco --weights {folder}/weights.pth "
        f"--output {folder}/judged-{images} --size {SIZE} --batch 3 --front-end pytorch --device cpu {more}",
    )


def words(folder: Path, shards: str = "0 1 2", more: str = "") -> str:
    files = " ".join(f"{folder}/judged-shard{SHARD}-{number}" for number in shards.split())
    return (
        f"--judged {files} --real {folder}/real --target stripes --output {folder}/captions.csv --minimum-distance 5 "
        f"--preset p --study s --variant rgd --method rgd --kernel-images 5 {more}"
    )


def test_photographs_features_are_inceptions_and_say_how_they_were_made(made: Path, archive: Path) -> None:
    arrays, record = read_arrays(made / "real")
    pictures = np.stack(list(squares(archive, photograph_names(archive), SIZE)))
    network = load_inception(made / "weights.pth")
    expected = look_inception(network, pictures, ["pytorch"], torch.device("cpu"), batch=7)["pytorch"]
    np.testing.assert_allclose(arrays["features"], expected, rtol=1e-4, atol=1e-4)
    assert (record["source"], record["settings"]["size"], record["fingerprint"]) == ("some.zip", SIZE, "made")


def test_a_shard_without_captions_is_seen_by_nobody(made: Path) -> None:
    """The captions are behind four other sets of one prompt each: the first shard has none of them."""
    counts = [len(read_arrays(made / f"judged-shard{SHARD}-{shard}")[0]["features"]) for shard in range(3)]
    assert counts == [0, 4, 2]
    merged = read_shards([made / f"judged-shard{SHARD}-{shard}" for shard in range(3)])[0]
    alone = read_shards([made / "judged-shard100-0"])[0]
    assert {name: array.tobytes() for name, array in merged.items()} == {n: a.tobytes() for n, a in alone.items()}


def test_distances_are_those_of_the_captions_images_alone(made: Path) -> None:
    run(lethe.measure.captions, words(made, more="--kernel-images 100"))
    fid, kid = read_records([made / "captions.csv"])
    arrays = read_arrays(made / "shard100-0")[0]
    images = arrays["images"][arrays["rows"] >= len(SETS)]
    network = load_inception(made / "weights.pth")
    features = look_inception(network, images, ["pytorch"], torch.device("cpu"), batch=6)["pytorch"]
    real = read_arrays(made / "real")[0]["features"]
    assert fid.value == pytest.approx(frechet_distance(features, real, minimum=2), rel=1e-4)
    direct = kernel_distance(features, real, minimum=4)
    assert (kid.value, kid.high - kid.value) == pytest.approx((direct.value, 1.96 * direct.standard_error), rel=1e-3)
    assert (fid.metric, fid.n, fid.prompts, fid.image_seeds) == ("FID", CAPTIONS, "listed_coco", "6-11")
    assert fid.reference == "7 photographs of some.zip, middle square, bicubic to 16 pixels"
    assert fid.features == "2048 features of Inception, front end pytorch"
    run(lethe.measure.captions, words(made))
    assert read_records([made / "captions.csv"])[1].n == 5
    assert read_records([made / "captions.csv"])[1].reference.startswith("5 of 7 photographs")


def test_what_cannot_be_compared_is_refused(made: Path) -> None:
    with pytest.raises(LetheError, match="images 8 to 9 of 10 are in no shard"):
        run(lethe.measure.captions, words(made, "0 1"))
    with pytest.raises(LetheError, match="shard 1 is given 2 times"):
        run(lethe.measure.captions, words(made, "0 1 1 2"))
    with pytest.raises(LetheError, match="6 images in a set"):
        run(lethe.measure.captions, words(made, more="--minimum-distance 7"))
    with pytest.raises(LetheError, match="there are no prompts of the set listed_coca"):
        look(made, f"shard{SHARD}-0", "--set listed_coca")
    with pytest.raises(LetheError, match="16 x 16 pixels, the photographs 8 x 8"):
        look(made, f"shard{SHARD}-0", "--size 8")
    arrays, record = read_arrays(made / "real")
    for name, change in (("weights_sha256", "0" * 64), ("settings", record["settings"] | {"front_end": "tf1"})):
        write_arrays(made / "other", arrays, record | {name: change})
        with pytest.raises(LetheError, match=rf"Inception looked in different ways \({name}\)"):
            run(lethe.measure.captions, words(made, more=f"--real {made}/other"))


# The table


def records_of(variant: str, seed: int, *values: float) -> list[Record]:
    method = "base" if variant == "base" else "rgd"
    return [
        Record(
            *("p", "s", "stripes", variant, method, seed, metric, prompts, value),
            *(None, None, "", 6, None, None, "7 photographs", "judge", "j" * 64, "looks", "PNDM", "0-9", ""),
        )
        for prompts, metric, value in zip(
            ("listed_coco",) * 3 + ("retain_test",), ("AS", "FID", "KID", "AS"), (*values, 9.0), strict=True
        )
    ]


def table(folder: Path, records: list[Record]) -> tuple[str, list[dict[str, str]]]:
    write_records(folder / "records.csv", records)
    parser = argparse.ArgumentParser()
    captions.add_arguments(parser)
    named = ["--sets", "s=listed_coco", "--rows", "s/base=base", "s/rgd=RGD", "--targets", "s/stripes=Stripes"]
    outputs = [word for kind in ("csv", "markdown", "tex") for word in (f"--{kind}", str(folder / kind))]
    captions.main(parser.parse_args(["--records", str(folder / "records.csv"), *named, *outputs]))
    with (folder / "csv").open(newline="") as stream:
        return (folder / "markdown").read_text(), list(csv.DictReader(stream))


def test_the_table_has_a_line_for_each_row(tmp_path: Path) -> None:
    every = [*records_of("base", 0, 0.31, 16.4, 0.004), *records_of("rgd", 0, 0.30, 17.0, 0.005)]
    text, lines = table(tmp_path, [*every, *records_of("rgd", 1, 0.32, 18.0, 0.006)])
    assert "| *base* | 1 | 6 | 0.310 | 16.40 | 0.0040 |" in text
    assert "| RGD | 2 | 6 | 0.310 ± 0.014 | 17.50 ± 0.71 | 0.0055 ± 0.0007 |" in text
    assert "COCO" in text
    assert [(line["variant"], line["metric"], line["mean"]) for line in lines][3:5] == [
        ("rgd", "AS", "0.31"),
        ("rgd", "FID", "17.5"),
    ]
    with pytest.raises(LetheError, match="the records of FID and AS"):
        table(tmp_path, [record for record in every if (record.variant, record.metric) != ("rgd", "FID")])


# The plan


def plan_of(folder: Path, asked: dict | None, count: int = 120) -> Plan:
    values = copy.deepcopy(yaml.safe_load(MINIATURE.read_text()))
    study = values["studies"]["shapes"]
    study["targets"]["stripes"]["listed"] = {"coco": {"given": f"{folder}/captions.csv", "count": count}}
    return Plan(load_config(values | {"studies": {**values["studies"], "shapes": study | {"captions": asked}}}))


def test_captions_are_planned_only_when_they_are_asked_for(tmp_path: Path) -> None:
    for name in ("captions.csv", "photographs.zip", "inception.pth"):
        (tmp_path / name).touch()
    asked = {"set": "coco", "images": f"{tmp_path}/photographs.zip", "weights": f"{tmp_path}/inception.pth", "size": 32}
    without, plan = plan_of(tmp_path, None), plan_of(tmp_path, asked)
    assert without.captions.tables() == without.captions.records == []
    assert plan.captions.tables() == ["captions"]
    assert plan.expected() == without.expected()
    assert plan.artefacts() == without.artefacts()
    added = {place.path for place in plan.assets()} - {place.path for place in without.assets()}
    assert added == {asked["images"], asked["weights"]}
    assert {cell.target for cell in plan.captions.cells} == {"stripes"}
    assert "results/miniature/shapes/stripes/rgd/seed0/captions.csv" in plan.captions.records
    assert "results/miniature/shapes/stripes/rgd/seed0/records.csv" in plan.captions.records
    cell = next(cell for cell in plan.captions.cells if cell.variant == "rgd")
    job = plan.captions.distances(cell)
    assert "--set=listed_coco" in plan.captions.judged(cell).options
    assert plan.captions.judged_files(cell) == [
        "results/miniature/shapes/stripes/rgd/seed0/judged_captions/shard0000.safetensors"
    ]
    other = plan_of(tmp_path, asked | {"front_end": "tf1"}).captions
    assert other.real_images("shapes").fingerprint != plan.captions.real_images("shapes").fingerprint
    assert other.distances(cell).fingerprint != job.fingerprint
    assert other.distances(cell).options == job.options


def test_captions_that_are_not_listed_or_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LetheError, match="did you mean 'coco'"):
        plan_of(tmp_path, {"set": "cocos"})
    with pytest.raises(LetheError, match=r"21 images of 'coco' for targets\.stripes, fewer than"):
        plan_of(tmp_path, {"set": "coco"}, count=7)
