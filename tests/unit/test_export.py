"""An exported model: what is packed, that it loads and can be checked, and what is refused."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import UNet2DModel

from lethe.config import load_config
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.export import __main__ as command
from lethe.export.contents import learned_prompts
from lethe.export.row import ExportedRow, row_at
from lethe.files import write_json, write_rows, write_text
from lethe.measures.rates import wilson
from lethe.models.edm import EDM
from lethe.plan import Cell, Plan
from lethe.prompts import prompt_rows, write_prompts
from lethe.record import Record, write_records

ROW = "results/miniature/digits/3/rgd/seed0"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(read_preset(["miniature"]))


@pytest.fixture
def results(tmp_path, monkeypatch, plan, base_folder) -> Path:
    """A folder to stand in with one finished row of the miniature, whose model is the small base."""
    monkeypatch.chdir(tmp_path)
    study, cell = plan.studies["digits"], Cell("digits", "3", "rgd", "0")
    folder = Path(ROW)
    settings = json.loads(study.study.method_settings("rgd", "3").model_dump_json())
    made = {"method": "rgd", "seed": 0, "settings": settings, "versions": {"lethe": "0.1.0"}}
    made |= {"target": 3, "forget_images": 40, "retain_images": 18, "fingerprint": study.unlearn(cell).fingerprint}
    EDM.load(base_folder).save(folder / "model", made)
    write_json(folder / "cost.json", {"seconds": 1.0})
    write_rows(folder / "trajectory.csv", ["step", "loss"], [{"step": 0, "loss": 0.5}])
    rate = wilson(97, 100)
    own = {"preset": "miniature", "study": "digits", "target": "3", "variant": "rgd", "method": "rgd", "seed": 0}
    numbers = {"metric": "UA", "value": rate.value, "low": rate.low, "high": rate.high, "n": 100}
    words = {"interval": "Wilson 95 %", "judge": "digits classifier", "judge_sha256": "a" * 64, "sampler": "EDM Heun"}
    empty = {"prompts": "", "reference": "", "features": "", "image_seeds": "", "control": None, "control_n": None}
    mark = study.measure(cell).fingerprint
    write_records(folder / "records.csv", [Record(**own, **numbers, **words, **empty, fingerprint=mark)])
    (folder / "images").mkdir()
    write_text(folder / "images/shard0000.safetensors", "an image that must not leave")
    return tmp_path


def export(*words: str) -> None:
    command.main(command.parser().parse_args(list(words)))


def test_the_pack_is_complete_loads_and_can_be_checked(results, base_folder):
    export("--model", ROW, "--output", "pack")
    pack = Path("pack")
    names = {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()}
    kept = {"records.csv", "trajectory.csv", "cost.json", "settings.json", "configuration.yaml", "fingerprints.json"}
    model = {"config.json", "diffusion_pytorch_model.safetensors"}
    assert names == {"README.md", "SHA256SUMS", *model, *(f"lethe/{name}" for name in kept)}
    assert not any(path.is_symlink() for path in pack.rglob("*"))
    loaded, wanted = (UNet2DModel.from_pretrained(folder).state_dict() for folder in (pack, base_folder))
    assert all(torch.equal(loaded[name], wanted[name]) for name in wanted)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=pack, check=True)
    sums = (pack / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in sums] == sorted(names - {"SHA256SUMS"})
    text = (pack / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front == {
        "library_name": "diffusers",
        "license": "cc-by-4.0",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["machine-unlearning", "lethe", "rgd"],
    }
    assert "| UA |  | 0.97 |" in text
    assert all(f"`lethe/{name}`" in text for name in kept)


def test_the_packed_configuration_is_a_preset_that_gives_the_packed_fingerprints(results):
    export("--model", ROW, "--output", "pack")
    study = Plan(load_config(yaml.safe_load(Path("pack/lethe/configuration.yaml").read_text()))).studies["digits"]
    cell = Cell("digits", "3", "rgd", "0")
    marks = json.loads(Path("pack/lethe/fingerprints.json").read_text())
    assert marks[f"{ROW}/records.csv"] == study.measure(cell).fingerprint
    assert marks[f"{ROW}/model/diffusion_pytorch_model.safetensors"] == study.unlearn(cell).fingerprint
    assert marks["results/miniature/digits/base/model/diffusion_pytorch_model.safetensors"] == study.base().fingerprint
    assert not [path for path in marks if "/salun/" in path or "/shapes/" in path]


def test_the_same_row_gives_the_same_bytes_wherever_and_however_it_is_named(results):
    for number, name in enumerate((ROW, f"{ROW}/model", f"{results}/{ROW}/model/README.md")):
        export("--model", name, "--archive", "--output", f"{number}.tar")
    assert len({hashlib.sha256(Path(f"{number}.tar").read_bytes()).hexdigest() for number in range(3)}) == 1
    export("--model", ROW, "--output", "pack")
    with tarfile.open("0.tar") as archive:
        entries = archive.getmembers()
        assert all((entry.mtime, entry.uid, entry.uname, entry.mode) == (0, 0, "", 0o644) for entry in entries)
        archive.extractall("out")
    inside = Path("out/miniature-digits-3-rgd-seed0")
    packed = {path.relative_to("pack"): path.read_bytes() for path in Path("pack").rglob("*") if path.is_file()}
    assert {path.relative_to(inside): path.read_bytes() for path in inside.rglob("*") if path.is_file()} == packed
    assert {path.name for path in results.iterdir()} == {"results", "pack", "out", *(f"{n}.tar" for n in range(3))}


def test_a_licence_text_goes_with_it(results):
    write_text("terms.txt", "You may.\n")
    export("--model", ROW, "--licence-file", "terms.txt")
    assert Path("exports/miniature-digits-3-rgd-seed0/LICENSE").read_text() == "You may.\n"


@pytest.mark.parametrize("missing", ["records.csv", "cost.json", "model/diffusion_pytorch_model.safetensors"])
def test_an_unfinished_row_is_refused_with_the_command_that_makes_it(results, missing):
    Path(ROW, missing).unlink()
    with pytest.raises(LetheError, match="not finished") as caught:
        export("--model", ROW)
    assert f"{ROW}/{missing} is missing" in caught.value.problem
    assert f"make reproduce TARGET={ROW}/model/README.md" in caught.value.remedy
    assert not Path("exports").exists()


def test_a_stale_row_and_an_output_that_exists_are_refused(results):
    Path("taken").mkdir()
    with pytest.raises(LetheError, match="taken: there is such"):
        export("--model", ROW, "--output", "taken")
    records = Path(ROW, "records.csv")
    records.write_text(records.read_text()[:-2] + "x\n")
    with pytest.raises(LetheError, match=r"records.csv: stale"):
        export("--model", ROW, "--output", "pack")
    assert not Path("pack").exists()


def test_nothing_half_written_stays(results):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the weights do not fit, as on a full disk
    try:
        for words in ([], ["--archive"]):
            with pytest.raises(OSError, match="too large"):
                export("--model", ROW, "--output", "pack", *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in results.iterdir()] == ["results"]
    shutil.copytree(ROW, ".pack.part")  # what a kill leaves behind
    export("--model", ROW, "--output", "pack")
    assert sorted(path.name for path in results.iterdir()) == ["pack", "results"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("results/miniature/digits/3/rgdd/seed0", "did you mean 'rgd'"),
        ("results/miniature/digits/3/rgd/seed7", "has no training seed '7'"),
        ("results/miniature/digits/33/rgd/seed0", "has no target '33'"),
        ("results/miniature/shapes/stripes/base/seed0", "a control"),
        ("results/miniature/digits/3/destroyed/seed0", "a control"),
        ("results/smoke/digits/3/rgd/seed0", "PRESET=smoke"),
        ("results/miniature/digits", "not the folder of a row"),
        (".", "not the folder of a row"),
    ],
)
def test_what_is_no_unlearned_row_is_refused(plan, path, said):
    with pytest.raises(LetheError, match=said):
        row_at(plan, Path(path))


def test_the_prompts_are_those_that_the_row_learned_from(tmp_path, monkeypatch, plan):
    monkeypatch.chdir(tmp_path)
    study = plan.studies["shapes"]
    write_prompts("results/miniature/shapes/stripes/prompts.csv", prompt_rows(study.study.targets["stripes"]))

    def learned(variant: str) -> list[tuple[str, int]]:
        rows = learned_prompts(ExportedRow(study, Cell("shapes", "stripes", variant, "0")))
        return [(row.set, row.number) for row in rows]

    pairs = study.study.method_settings("rgd", "stripes").pairs
    assert learned("rgd") == [(f"{side}_train", number) for side in ("forget", "retain") for number in range(pairs)]
    assert learned("rg") == [("forget_uniform", 0), ("retain_uniform", 0)]
    assert learned("esd") == [("concept", 0)]
