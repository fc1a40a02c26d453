"""The report as a file: right, whole, the same every time, and no way out of it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image
from test_markdown import Parsed
from written import HOSTILE, REPOSITORY, config, pixels_of, plan_of

from lethe.artefacts.typeset import MINUS
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.measures.summary import mean_interval
from lethe.plan import Plan
from lethe.plan.artefacts import first_cell
from lethe.record import read_records
from lethe.report.assembly import page, template_files
from lethe.report.headline import read_blocks
from lethe.report.pictures import encoded, image_files, pictures, spread
from lethe.report.records import read_all
from lethe.report.shelf import Shelf
from lethe.report.words import known_artefacts
from lethe.settings.report import ReportSettings


@pytest.fixture(scope="module")
def data(report):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', report.text, re.DOTALL)[1])


def test_same_results_give_the_same_bytes(there):
    assert page(there.plan) == there.text


def test_every_image_is_the_one_that_its_model_drew(there, data):
    assert {(group["study"], group["target"]) for group in data["pictures"]} == {
        *(("digits", target) for target in "35"),
        *(("shapes", target) for target in ("stripes", "van_gogh")),
    }
    for group in data["pictures"]:
        study = there.plan.studies[group["study"]]
        items = [item for one in group["sets"] for item in one["items"]]
        assert len({(item["words"], item["seed"]) for item in items}) == len(items) > 8
        for model, images in zip(group["models"], group["images"], strict=True):
            cell = study.images_of(first_cell(study, group["target"], model["variant"]))
            made = pixels_of(study, cell)
            by_seed = dict(zip(made["seeds"].tolist(), made["images"], strict=True))
            for item, coded in zip(items, images, strict=True):
                shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))
                expected = np.moveaxis(by_seed[item["seed"]], 0, -1)
                assert np.array_equal(shown, np.broadcast_to(expected, shown.shape))


def test_the_forgotten_class_and_its_prompts_come_first(data):
    of = {(group["study"], group["target"]): group for group in data["pictures"]}
    own, others = of["digits", "5"]["sets"]
    assert {item["words"] for item in own["items"]} == {"class 5"}
    assert [item["words"] for item in others["items"]] == [f"class {label}" for label in (0, 1, 2, 3, 4, 6, 7, 8)]
    assert of["shapes", "stripes"]["sets"][0]["name"] == "forget_test"
    assert [group["blur"] for group in data["pictures"]] == [False, False, True, False]


def test_numbers_are_those_of_the_tables_with_the_interval_of_their_records(there):
    records = read_all(there.plan, Shelf())
    (block,) = read_blocks("results/written/tables/table1.csv", records, {"digits": 0.9})
    place = "results/written/digits/{}/rgd/seed0/records.csv"
    own = {
        (record.target, record.seed): record.value
        for record in read_records([place.format(target) for target in (3, 5)])
        if record.metric == "RA"
    }
    column = next(column for column in block.columns if column.metric == "RA")
    held = block.rows["rgd", "", ""].numbers[column]
    expected = mean_interval(own, 0.9)
    assert (held.value, held.low, held.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert held.difference == pytest.approx(expected.mean - 0.771)
    assert held.verdict[0] == "incomparable"
    assert [records.all[place].target for place in held.records] == ["3", "5"]
    single = read_blocks("results/written/tables/table2.csv", records, {})[0].rows["rgd", "", ""].numbers
    assert all(number.low == pytest.approx(number.value - 0.02) for number in single.values())


def test_a_comparable_table_gets_a_verdict(there, tmp_path):
    text = (there.folder / "results/written/tables/table1.csv").read_text()
    (tmp_path / "table1.csv").write_text(text.replace(",False", ",True"))
    (block,) = read_blocks(tmp_path / "table1.csv", read_all(there.plan, Shelf()), {})
    verdicts = {number.verdict[0] for row in block.rows.values() for number in row.numbers.values() if number.verdict}
    assert verdicts == {"outside"}  # the written numbers are far from the paper's


def test_every_number_of_the_page_points_to_its_protocol(report, data):
    places = [int(place) for place in re.findall(r'<button[^>]*class="number" data-number="(\d+)"', report.text)]
    assert set(places) == set(range(len(data["numbers"])))
    for told in data["numbers"]:
        assert told.get("paper") or told.get("records") or told.get("judge") or dict(told["more"])["made as"]
        assert {"of", "metric", "file"} <= told.keys()
    count = len(data["records"]["value"])
    assert count == 296
    for column in data["records"].values():
        assert len(column["at"] if isinstance(column, dict) else column) == count
    assert data["records"]["judge_sha256"]["words"] == ["ab" * 32]


def test_no_number_of_a_table_is_without_its_protocol(report):
    """But counts of models, names of rows, and bounds and sizes that the protocol of the same line has too."""
    said = {"row", "models", "interval", "n", "not told apart from it", "told apart"}
    for part in ("results", "cost", "cards"):
        section = re.search(rf'<section id="{part}".*?\n  </section>', report.text, re.DOTALL)[0]
        tables = re.findall(r"<table.*?</table>", section, re.DOTALL)
        assert tables, part
        for table in tables:
            heads = [re.sub("<.*?>", "", head) for head in re.findall(r"<th[^>]*>(.*?)</th>", table.split("<tbody")[0])]
            for row in re.findall(r"<tr.*?</tr>", table.partition("<tbody")[2], re.DOTALL):
                cells = re.findall(r"<td([^>]*)>(.*?)</td>", row)
                for head, (marks, cell) in zip(heads[-len(cells) :], cells, strict=False):
                    if re.search(r"\d", re.sub("<.*?>", "", cell)) and head not in said:
                        assert "data-number" in marks or "<button" in cell, (part, head, cell)


def test_the_records_that_a_table_names_make_its_number(report, data):
    values = data["records"]["value"]
    checked = set()
    for told in data["numbers"]:
        places = told.get("records", [])
        if not places or "value" not in told:
            continue
        if MINUS in told["of"]:
            half = len(places) // 2
            expected = (sum(values[p] for p in places[:half]) - sum(values[p] for p in places[half:])) / half
        else:
            expected = sum(values[p] for p in places) / len(places)
        assert told["value"] == pytest.approx(expected, abs=1e-12), told
        assert {data["records"]["metric"]["words"][data["records"]["metric"]["at"][p]] for p in places} == {
            told["metric"]
        }
        checked.add(told["file"])
    assert checked == {f"tables/{name}.csv" for name in ("table1", "table2", "paired")}


def test_an_unlearned_models_card_has_its_own_records(report, data):
    at, names = data["records"]["variant"]["at"], data["records"]["variant"]["words"]
    cards = re.findall(r'<details class="card".*?</details>', report.text, re.DOTALL)
    assert len(cards) > 10
    for card in cards:
        variant = re.search(r"\((\w+)\), seed", card)[1]
        places = [int(place) for place in re.findall(r'data-record="(\d+)"', card)]
        assert {names[at[place]] for place in places} == {variant}


def test_words_of_the_configuration_are_never_html(report, data):
    without_data = re.sub(r"<script.*?</script>", "", report.text, flags=re.DOTALL)
    assert HOSTILE not in report.text
    assert HOSTILE in [group["title"] for group in data["pictures"]]
    parsed = Parsed(re.search(r"<main>.*</main>", without_data, re.DOTALL)[0].replace("<input", "<img"))
    assert any(HOSTILE in text for text in parsed.texts)
    assert report.text.count("</script>") == 2


def test_page_needs_nothing_from_anywhere(report):
    assert re.search(r"default-src 'none'; img-src data:", report.text)
    outside = re.findall(r'(?:src|srcset|action|data-src)="(?!data:)[^"]*"|@import|url\(', report.text)
    assert [found for found in outside if "onerror" not in found] == []
    assert '<link rel="icon" href="data:,">' in report.text
    assert re.findall(r"<link(?! rel=\"icon\")", report.text) == []


def test_what_is_missing_is_said(report):
    assert "14 files of this preset are not there" in report.text
    assert "results/written/figures/trajectory.png" in report.text
    assert "snakemake --cores all report --configfile workflow/presets/written.yaml" in report.text


def test_a_report_of_next_to_nothing_can_be_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(config())
    text = page(plan)
    assert "There are no tables yet." in text
    assert "none measured" in text
    assert "There are no figures yet." in text
    assert "There are neither benchmark files nor cost files." in text


def test_a_report_of_one_model_and_the_base_has_nothing_empty(report, tmp_path, monkeypatch):
    """What a newcomer has who made one concept with one method."""
    plan = report.plan
    shapes = plan.studies["shapes"]
    for cell in shapes.cells(["base", "rgd"]):
        if cell.target == "stripes":
            folders = dict.fromkeys(
                (shapes.folder(cell), shapes.folder(shapes.images_of(cell)), shapes.model_folder(cell))
            )
            for folder in filter(lambda folder: (report.folder / folder).is_dir(), folders):
                shutil.copytree(report.folder / folder, tmp_path / folder, dirs_exist_ok=True)
    shutil.copy(report.folder / shapes.place("stripes") / "prompts.csv", tmp_path / shapes.place("stripes"))
    monkeypatch.chdir(tmp_path)
    text = page(plan)
    found = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert {group["target"]: [m["variant"] for m in group["models"]] for group in found["pictures"]} == {
        "stripes": ["base", "rgd"]
    }
    assert found["filters"]["studies"] == {"shapes": {"stripes": HOSTILE}}
    assert list(found["filters"]["methods"]) == ["base", "rgd"]
    assert "There are no tables yet. What was measured stands under All numbers." in text
    assert "What came out" not in text
    assert "There are no figures yet." in text
    assert "<tbody></tbody>" not in text


def test_a_stale_result_is_counted(there):
    assert "carry the fingerprint that this configuration and code give: they are of these very" in there.text
    values = config()
    values["studies"]["digits"]["sampling"]["steps"] = 7
    changed = page(plan_of(values))
    assert re.search(r"\d+ are of other settings or other code", changed)


def test_large_images_are_made_smaller_and_small_ones_are_exact():
    settings = ReportSettings(pixels=100)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 200, 100), np.uint8)
    small = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded(pixels, settings)))))
    assert small.shape == (100, 50, 3)
    exact = pixels[:, :64, :64]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded(exact, settings)))))
    assert np.array_equal(shown, np.moveaxis(exact, 0, -1))


def test_preset_says_how_many_prompts_are_shown(there):
    values = config() | {"report": {"prompts": 2}}
    sets = [one for group in pictures(plan_of(values), Shelf()) for one in group["sets"]]
    assert {len(one["items"]) for one in sets} == {2}


def test_prompts_are_spread_evenly():
    assert spread(list(range(10)), 4) == [1, 3, 6, 8]
    assert spread([1, 2], 4) == [1, 2]


def test_every_artefact_of_every_preset_has_a_title():
    presets = [REPOSITORY / "config.yaml", *(REPOSITORY / "workflow/presets").glob("*.yaml")]
    for path in presets:
        plan = Plan(load_config(yaml.safe_load(path.read_text(encoding="utf-8"))))
        names = {path.rsplit("/", 1)[1].partition(".")[0] for path in plan.tables() + plan.figures()}
        assert names <= known_artefacts(), path


def test_rule_is_rerun_for_each_file_that_the_page_is_made_of(report):
    names = {path.name for path in template_files()}
    assert {"page.html", "style.css", "compare.js", "words.yaml"} <= names
    files = image_files(report.plan)
    assert all(f"results/written/shapes/{target}/prompts.csv" in files for target in ("stripes", "van_gogh"))
    assert len(files) == len(set(files))


def run(*words: str, cwd) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lethe.report", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_command_reads_a_preset_file_and_names_what_is_wrong(report, tmp_path):
    (report.folder / "preset.yaml").write_text(yaml.safe_dump(config(), sort_keys=False))
    made = run("--configfile", "preset.yaml", "--output", str(tmp_path / "out.html"), cwd=report.folder)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "out.html").read_text(encoding="utf-8") == report.text
    for words, expected in (
        (["--configfile", "nosuch.yaml"], "no such file"),
        (["--configfile", "../nowhere", "--config", "{}"], "not allowed with"),
    ):
        refused = run(*words, cwd=report.folder)
        assert refused.returncode == 2
        assert expected in refused.stderr
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(), sort_keys=False))
    nothing = run(cwd=tmp_path)
    assert "there are no results of preset written" in nothing.stderr
    assert "make reproduce PRESET=written" in nothing.stderr


def test_the_snakefile_can_import_it_without_torch():
    check = "import sys, lethe.report.assembly; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_broken_image_set_is_named(tmp_path):
    from lethe.files import write_arrays
    from lethe.report.pictures import _classes_and_seeds

    write_arrays(tmp_path / "images", {"images": np.zeros((1, 1, 8, 8), np.uint8)}, {})
    with pytest.raises(LetheError, match="it has no 'conditions'"):
        _classes_and_seeds(tmp_path / "images")
