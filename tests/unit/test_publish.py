"""Published records: what an archive may hold, when it is refused, and which settings it stands for."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import Config, load_config
from lethe.errors import LetheError
from lethe.plan import Plan
from lethe.publish import archive as archives
from lethe.publish import pack
from lethe.publish import source as sources
from lethe.publish.archive import read_manifest, unpack, write_archive
from lethe.publish.computed import computed, differences
from lethe.publish.manifest import MANIFEST, Manifest, PublishedFile
from lethe.publish.source import Source, source_of
from lethe.publish.unpack import note

VALUES = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
COMMITTED = Path("workflow/published/miniature.zip")
CONTENTS = {
    "digits/3/rgd/seed0/records.csv": b"metric,value\nUA,1.0\n",
    "digits/judge/similarity.csv": b"class\n",
    "shapes/stripes/rgd/seed0/images/shard0000.safetensors": bytes(5000),
}


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(VALUES)


def changed(change: Callable[[dict[str, Any]], None], **more: Any) -> Config:
    """The miniature with a change, and other keys of the preset."""
    values = copy.deepcopy(VALUES)
    change(values)
    return load_config(values | more)


def manifest_of(contents: dict[str, bytes], **more: Any) -> Manifest:
    files = {
        name: PublishedFile(bytes=len(data), sha256=hashlib.sha256(data).hexdigest()) for name, data in contents.items()
    }
    given = {"preset": "miniature", "versions": {"lethe": "0.0.9"}, "fits": True, "computed": {"studies": {}}} | more
    return Manifest(files=files, **given)


def packed(place: Path, computed_: dict[str, Any] | None = None, names: list[str] | None = None) -> Path:
    """An archive of CONTENTS, its files written in the order ``names``."""
    place.mkdir()
    for name in names or CONTENTS:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(CONTENTS[name])
    manifest = manifest_of(CONTENTS, computed=computed_ or {"studies": {"digits": {}, "shapes": {}}})
    write_archive(place / "a.zip", manifest, {name: place / name for name in names or CONTENTS})
    return place / "a.zip"


def test_same_results_are_the_same_bytes_and_come_back(tmp_path):
    first = packed(tmp_path / "first")
    second = packed(tmp_path / "second", names=sorted(CONTENTS, reverse=True))
    os.utime(tmp_path / "second" / next(iter(CONTENTS)), (0, 0))
    assert first.read_bytes() == second.read_bytes()
    manifest = unpack(first, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in tmp_path.glob("out/**/*.*")}
    assert found == CONTENTS
    assert manifest == read_manifest(second)
    assert "| lethe | 0.0.9 |" in note(first, manifest)


def rewritten(path: Path, change: Callable[[dict[str, tuple[zipfile.ZipInfo, bytes]]], None]) -> Path:
    """The archive with its entries changed; the new file is not checked by anything."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: (entry, archive.read(entry)) for entry in archive.infolist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, (entry, data) in entries.items():
            entry.filename = name.removesuffix("?")
            archive.writestr(entry, data)
    return path


def renamed(name: str) -> Callable[[dict[str, Any]], None]:
    """A file of the archive, and of its manifest, is called ``name``."""

    def change(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
        entry, text = entries[MANIFEST]
        values = json.loads(text)
        values["files"][name] = values["files"].pop("digits/judge/similarity.csv")
        entries[MANIFEST] = entry, json.dumps(values).encode()
        entries[name] = entries.pop("digits/judge/similarity.csv")

    return change


def as_link(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entries["digits/judge/similarity.csv"][0].external_attr = (stat.S_IFLNK | 0o777) << 16


def as_folder(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entries["digits/judge/similarity.csv"][0].external_attr = (stat.S_IFDIR | 0o777) << 16


def with_another(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entries["digits/more.csv"] = zipfile.ZipInfo("digits/more.csv"), b"more"


def without_one(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    del entries["digits/judge/similarity.csv"]


def of_no_configuration(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entry, text = entries[MANIFEST]
    entries[MANIFEST] = entry, json.dumps(json.loads(text) | {"computed": {"studies": 3}}).encode()


def twice(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    name = "digits/judge/similarity.csv"
    entries[f"{name}?"] = zipfile.ZipInfo(name), b"other\n"


def longer(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entry, data = entries["digits/judge/similarity.csv"]
    entries["digits/judge/similarity.csv"] = entry, data + b"0\n"


def compressed_otherwise(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    entries["digits/judge/similarity.csv"][0].compress_type = zipfile.ZIP_BZIP2


def without_manifest(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
    del entries[MANIFEST]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (renamed("../../outside.csv"), "'../../outside.csv' is no file of records"),
        (renamed("digits/../../../outside.csv"), "is no file of records"),
        (renamed("/tmp/outside.csv"), "is no file of records"),
        (renamed("digits\\outside.csv"), "is no file of records"),
        (renamed("digits/.hidden/a.csv"), "is no file of records"),
        (renamed("digits//a.csv"), "is no file of records"),
        (renamed(f"digits/{'a' * 197}.csv"), "is no file of records"),
        (renamed("digits/3/rgd/seed0/records.csv/a.csv"), "is inside 'digits/3/rgd/seed0/records.csv', which is"),
        (renamed("a.csv"), "is no file of records"),
        (renamed("digits/judge/similarity.pkl"), "is no file of records"),
        (renamed("digits/judge/similarity.csv.sh"), "is no file of records"),
        (renamed("figures/figure4.csv"), "is of no study"),
        (as_link, "is a link or a folder"),
        (as_folder, "is a link or a folder"),
        (with_another, "'digits/more.csv' is only in one"),
        (without_one, "'digits/judge/similarity.csv' is only in one"),
        (of_no_configuration, "manifest.json, computed.studies: Input should be an object"),
        (twice, "two files of one name"),
        (longer, "similarity.csv has 8 bytes, not 6"),
        (compressed_otherwise, "compressed in a way not taken"),
        (without_manifest, "no manifest.json"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_a_stranger_may_have_packed_is_refused_before_any_file_is_written(tmp_path, change, complaint):
    path = rewritten(packed(tmp_path / "given"), change)
    for read in (read_manifest, lambda path: unpack(path, tmp_path / "out")):
        with pytest.raises(LetheError) as refused:
            read(path)
        assert complaint in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("claimed", [4999, 5001, 0])
def test_a_size_that_the_archive_only_claims_is_noticed(tmp_path, claimed):
    """The directory of a zip file says one size, its data has another."""
    name = "shapes/stripes/rgd/seed0/images/shard0000.safetensors"
    path = packed(tmp_path / "given")
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
        entry.file_size = claimed
        file = PublishedFile(bytes=claimed, sha256=hashlib.sha256(bytes(claimed)).hexdigest())
        with pytest.raises((LetheError, zipfile.BadZipFile)):
            archives._write_checked(path, archive, name, file, tmp_path / "out")


def test_changed_contents_are_refused_and_not_left_behind(tmp_path):
    def change(entries: dict[str, tuple[zipfile.ZipInfo, bytes]]) -> None:
        name = "digits/3/rgd/seed0/records.csv"
        entries[name] = entries[name][0], CONTENTS[name].replace(b"1.0", b"0.0")

    with pytest.raises(LetheError, match=r"records\.csv is not what manifest\.json says"):
        unpack(rewritten(packed(tmp_path / "given"), change), tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_too_much_is_refused(tmp_path, monkeypatch):
    path = packed(tmp_path / "given")
    for limit, most in (("MOST_BYTES", 5000), ("MOST_FILES", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(f"lethe.publish.manifest.{limit}", most)
            with pytest.raises(LetheError, match=r"files of .* bytes; at most"):
                read_manifest(path)
    monkeypatch.setattr(archives, "_MANIFEST_BYTES", 100)
    with pytest.raises(LetheError, match="more than 100 bytes"):
        read_manifest(path)


def test_packing_takes_the_files_it_is_given_and_says_whether_they_are_of_this_code(tmp_path, monkeypatch, config):
    plan, path = Plan(config), tmp_path / "a.zip"
    expected = plan.expected()
    name = "results/miniature/digits/3/rgd/seed0/records.csv"
    monkeypatch.chdir(tmp_path)
    for mark, fits in ((expected[name], True), ("0123", False)):
        for file, text in (
            (name, f"metric,fingerprint\nUA,{mark}\n"),
            (name.replace("records.csv", "cost.json"), "{}"),
        ):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(text)
        words = ["--config", config.model_dump_json(exclude_unset=True), "--output", str(path), "--files", name]
        pack.main(pack.parser().parse_args([*words, name.replace("records.csv", "cost.json")]))
        manifest = read_manifest(path)
        assert manifest.fits is fits
        assert differences(config, manifest.computed) == []
        assert {file: found.fingerprint for file, found in manifest.files.items()} == {
            "digits/3/rgd/seed0/cost.json": "",
            "digits/3/rgd/seed0/records.csv": mark,
        }
    monkeypatch.setattr("lethe.publish.manifest.MOST_BYTES", 10)
    with pytest.raises(LetheError, match=r"cannot be published: .* at most"):
        pack.main(pack.parser().parse_args(words))


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(LetheError, match="not a sound zip archive"):
        read_manifest(tmp_path / "a.zip")


def test_a_cut_archive_is_refused(tmp_path):
    path = packed(tmp_path / "given")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LetheError, match="not a sound zip archive"):
        unpack(path, tmp_path / "out")


def other_setting(values):
    values["studies"]["digits"]["variants"]["salun"]["settings"] = {"mask_fraction": 0.75}


def other_target(values):
    values["studies"]["shapes"]["targets"]["dots"] = values["studies"]["shapes"]["targets"].pop("van_gogh")


def other_seeds(values):
    values["studies"]["shapes"]["seeds"] = [0, 1]


def other_steps(values):
    values["studies"]["digits"]["unlearn"]["steps"] = 7


def other_sentence(values):
    values["studies"]["shapes"]["targets"]["stripes"]["sentences"][0] += " again"


def one_row_less(values):
    del values["studies"]["shapes3"]["variants"]["esd"]
    values["artefacts"]["text"]["table7"]["rows"].remove("esd")


def other_numbers(values):
    values["compute"]["precision"] = "bfloat16"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (other_setting, "studies.digits.variants.salun.settings.mask_fraction: 0.75 here, 0.5 published"),
        (other_seeds, "studies.shapes.seeds: [0, 1] here, [0] published"),
        (other_steps, "studies.digits.unlearn.steps: 7 here, 60 published"),
        (other_sentence, "studies.shapes.targets.stripes.sentences: "),
        (one_row_less, "studies.shapes3.variants.esd.method: nothing here, "),
        (other_numbers, 'compute.precision: "bfloat16" here, "float32" published'),
    ],
)
def test_what_decides_numbers_is_told_by_its_key(config, change, key):
    told = differences(changed(change), computed(config))
    assert any(line.startswith(key) for line in told), told


def show_otherwise(values):
    values["studies"]["digits"]["variants"]["rgd"]["title"] = "Restricted"
    values["studies"]["shapes"]["targets"]["stripes"] |= {"title": "Stripes", "blur": True}
    values["artefacts"]["classes"]["pairs"] = [["rgd", "finetune"]]
    values["compute"] |= {"threads": 2, "device": "cuda"}
    values["report"]["pixels"] = 64


def test_what_is_only_shown_otherwise_differs_in_nothing(config):
    assert differences(changed(show_otherwise), computed(config)) == []


def test_a_key_that_is_newer_than_the_archive_must_have_its_default(config):
    published = computed(config)
    del published["studies"]["digits"]["similarity"]["images_per_class"]
    del published["studies"]["digits"]["variants"]["rgd"]["settings"]["augmentation"]
    assert differences(config, published) == []
    del published["studies"]["digits"]["sampling"]["retain_images"]
    assert differences(config, published) == ["studies.digits.sampling.retain_images: 36 here, nothing published"]


def test_a_default_of_a_method_that_has_changed_is_told(config):
    """The configuration says nothing of it; the numbers are of another value all the same."""
    published = computed(config)
    assert "mask_fraction" not in VALUES["studies"]["digits"]["variants"]["salun"].get("settings", {})
    published["studies"]["digits"]["variants"]["salun"]["settings"]["mask_fraction"] = 0.75
    (told,) = differences(config, published)
    assert told == "studies.digits.variants.salun.settings.mask_fraction: 0.5 here, 0.75 published"


def test_published_settings_are_taken_and_others_stop(tmp_path, config):
    path = packed(tmp_path / "given", computed(config))
    assert source_of(config) is None
    given = config.model_copy(update={"from_published": str(path)})
    assert source_of(given) == Source(path, read_manifest(path))
    with pytest.raises(LetheError) as refused:
        source_of(changed(other_setting, from_published=str(path)))
    assert "variants.salun.settings.mask_fraction: 0.75 here, 0.5 published" in refused.value.problem
    with pytest.raises(LetheError, match="preset: mine here, miniature published"):
        source_of(given.model_copy(update={"preset": "mine"}))


def test_what_is_not_published_is_told(tmp_path, monkeypatch, config):
    source = Source(Path("a.zip"), manifest_of(CONTENTS))
    source.check_has({"figure7": ["digits/judge/similarity.csv"]})
    with pytest.raises(LetheError, match=r"table1: digits/4/rgd/seed0/records\.csv\n"):
        source.check_has({"table1": [*CONTENTS, "digits/4/rgd/seed0/records.csv"]})
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    with pytest.raises(LetheError, match="the records of preset miniature are not published"):
        source_of(config.model_copy(update={"from_published": True}))
    with pytest.raises(LetheError, match="no such archive"):
        source_of(config.model_copy(update={"from_published": "nowhere.zip"}))


@pytest.mark.parametrize(
    ("word", "meant"), [("true", True), ("False", False), (True, True), ("mine/a.zip", "mine/a.zip"), ("", False)]
)
def test_the_key_is_understood_from_the_command_line(word, meant):
    assert changed(lambda _: None, from_published=word).from_published == meant


def test_tables_of_published_records_never_mix_with_those_of_a_run():
    drawn = Plan(changed(lambda _: None, from_published=True))
    run = Plan(load_config(VALUES))
    assert {Path(path).parts[1] for path in drawn.artefacts()} == {"miniature-published"}
    assert [Path(path).name for path in drawn.artefacts()] == [Path(p).name for p in run.tables() + run.figures()]
    with pytest.raises(LetheError, match="preset"):
        changed(lambda _: None, preset="miniature-published")


def test_fingerprints_are_those_of_the_run_that_was_published(config):
    """Options of judges name paths below the preset's folder, and stand in fingerprints."""
    run, drawn = Plan(config).expected(), Plan(config.model_copy(update={"from_published": True})).expected()
    assert drawn == {path.replace("miniature/", "miniature-published/", 1): mark for path, mark in run.items()}


def test_models_of_the_publishers_own_need_not_be_here(config):
    """Who draws from records has neither the base nor the imported models that they were made with."""

    def given(values: dict[str, Any]) -> None:
        values["studies"]["shapes"]["base"] = {"given": "./their_base"}
        values["studies"]["shapes"]["variants"]["theirs"] = {"given": "./theirs/{target}"}

    with pytest.raises(LetheError, match="no such file or folder"):
        Plan(changed(given))
    drawn = Plan(changed(given, from_published=True))
    assert any("/theirs/" in path for path in drawn.expected())


def test_the_committed_archive_is_of_the_miniature_and_small(config):
    assert differences(config, read_manifest(COMMITTED).computed) == []
    assert COMMITTED.stat().st_size < 3_000_000
