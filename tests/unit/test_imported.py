"""Models that others have unlearned: in whichever form they lie, the folder that comes of them is the same model, its
images are the same, and what does not fit the base is refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from edm_pickle import small_network, write_edm
from given_models import checkpoint_of, published_stable_diffusion, published_stable_diffusion_3, write_json
from safetensors.torch import load_file, save_file
from stages import FEW_STEPS, run

import lethe.base.given_stable_diffusion
import lethe.base.given_stable_diffusion3
import lethe.imported.edm
import lethe.imported.stable_diffusion
import lethe.imported.stable_diffusion3
import lethe.sample.text
import lethe.sets.text
from lethe import card
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, sha256_of
from lethe.model_files import CONFIG, WEIGHTS, model_files
from lethe.models.edm import EDM
from lethe.models.stable_diffusion import StableDiffusion
from lethe.record import COLUMNS, Record, write_records
from lethe.settings.network import PreconditioningSettings

pytest_plugins = ["text_models"]

UNET, VAE = (f"{part}/{WEIGHTS}" for part in ("unet", "vae"))
TEXT = "text_encoder/model.safetensors"


def forget(file: Path, part: str = "attn2") -> int:
    """Change the weights with ``part`` in their names; returns how many."""
    weights = load_file(file)
    changed = [name for name in weights if part in name]
    for name in changed:
        weights[name] = weights[name] + 0.1
    save_file(weights, file, metadata={"format": "pt"})
    return len(changed)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return published_stable_diffusion(tmp_path_factory.mktemp("published") / "sd14")


@pytest.fixture(scope="module")
def base(tmp_path_factory, published) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    run(lethe.base.given_stable_diffusion, f"--source {published} --model {folder}")
    return folder


@pytest.fixture
def theirs(tmp_path, published) -> Path:
    """The same pipeline with other cross-attention, to be changed further."""
    folder = Path(shutil.copytree(published, tmp_path / "theirs"))
    assert forget(folder / UNET) > 10
    return folder


def imported(source: Path, base: Path, folder: Path, words: str = "") -> Path:
    run(lethe.imported.stable_diffusion, f"--source {source} --base {base} --model {folder} {words}")
    return folder


def told(folder: Path, weights: str = UNET) -> dict:
    return read_provenance(folder / weights)["imported"]


def same(one: Path, other: Path) -> bool:
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(part, second[name]) for name, part in first.items())


def _saved(folder: Path, name: str, values: object) -> Path:
    torch.save(values, folder / name)
    return folder / name


def _with_prefix(folder: Path) -> Path:
    named = {f"unet.{name}": part for name, part in load_file(folder / UNET).items()}
    save_file(named, folder / "prefixed.safetensors")
    return folder / "prefixed.safetensors"


FORMS: dict[str, Callable[[Path], Path]] = {
    "pipeline": lambda folder: folder,
    "U-Net's folder": lambda folder: folder / "unet",
    "safetensors": lambda folder: folder / UNET,
    "state dict": lambda folder: _saved(folder, "esd.pt", load_file(folder / UNET)),
    "wrapped": lambda folder: _saved(folder, "delta.bin", {"unet": load_file(folder / UNET), "tokens": {}}),
    "prefixed": _with_prefix,
    "CompVis": lambda folder: _saved(folder, "model.ckpt", checkpoint_of(folder)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_model(theirs, base, tmp_path, form):
    source = FORMS[form](theirs)
    folder = imported(source, base, tmp_path / "model", "--name ./theirs --seed 3 --fingerprint abc")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == sorted(model_files("stable_diffusion"))
    assert same(folder / UNET, theirs / UNET)
    assert same(folder / VAE, base / VAE)
    assert same(folder / TEXT, base / TEXT)
    assert (folder / "tokenizer/vocab.json").read_bytes() == (base / "tokenizer/vocab.json").read_bytes()
    record, found = read_provenance(folder / UNET), told(folder)
    assert (record["method"], record["seed"], record["fingerprint"]) == ("imported", 3, "abc")
    read = source if source.is_file() else source / (UNET if form == "pipeline" else WEIGHTS)
    assert (found["name"], found["sha256"], found["parts"]) == ("./theirs", sha256_of(read), [])
    assert found["given"] == found["tensors"] == len(load_file(theirs / UNET))
    assert found["changed"] == sum("attn2" in name for name in load_file(theirs / UNET))
    StableDiffusion.load(folder)


def test_a_file_of_the_changed_weights_alone_has_to_say_so(theirs, base, tmp_path):
    some = {name: part for name, part in load_file(theirs / UNET).items() if "attn2" in name}
    save_file(some, tmp_path / "esd_x.safetensors")
    with pytest.raises(LetheError, match=r"weights are missing, such as conv_in\.bias\n.*partial: true"):
        imported(tmp_path / "esd_x.safetensors", base, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    folder = imported(tmp_path / "esd_x.safetensors", base, tmp_path / "model", "--partial true")
    assert same(folder / UNET, theirs / UNET)
    assert told(folder)["given"] == told(folder)["changed"] == len(some)


def test_of_a_checkpoint_with_both_kinds_of_weights_those_that_were_trained_are_read(theirs, base, tmp_path):
    source = _saved(theirs, "model.ckpt", checkpoint_of(theirs, average=2.0))
    assert same(imported(source, base, tmp_path / "live") / UNET, theirs / UNET)
    averaged = load_file(imported(source, base, tmp_path / "ema", "--weights ema") / UNET)
    assert all(torch.equal(averaged[name], 2 * part) for name, part in load_file(theirs / UNET).items())


def test_half_precision_is_read_as_float32(theirs, base, tmp_path):
    halves = {name: part.half() for name, part in load_file(theirs / UNET).items()}
    folder = imported(_saved(theirs, "half.pt", halves), base, tmp_path / "model")
    assert all(torch.equal(part, halves[name].float()) for name, part in load_file(folder / UNET).items())


def test_other_parts_than_the_bases_are_taken_along_and_named(theirs, base, tmp_path, capsys):
    forget(theirs / TEXT, "q_proj.weight")
    schedule = json.loads((theirs / "scheduler/scheduler_config.json").read_text())
    write_json(theirs / "scheduler/scheduler_config.json", schedule | {"steps_offset": 0})
    folder = imported(theirs, base, tmp_path / "model")
    assert told(folder)["parts"] == ["text_encoder", "scheduler"]
    assert not same(folder / TEXT, base / TEXT)
    assert "Other than the base's too: text_encoder, scheduler." in capsys.readouterr().out


def test_a_model_in_which_nothing_was_unlearned_is_told(published, base, tmp_path, capsys):
    assert told(imported(published, base, tmp_path / "model"))["changed"] == 0
    assert "nothing of it was unlearned" in capsys.readouterr().out


def _without(weights: dict) -> dict:
    return {name: part for name, part in weights.items() if name != "conv_out.bias"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without, r"1 of the base's \d+ weights are missing, such as conv_out\.bias"),
        (lambda weights: weights | {"a.lora_A.weight": torch.zeros(2)}, r"a weight a\.lora_A\.weight, .*\n.*fuse_lora"),
        (lambda weights: weights | {"other.weight": torch.zeros(2)}, r"a weight other\.weight, .*\n.*diffusers' names"),
        (lambda weights: weights | {"conv_out.bias": torch.zeros(5)}, r"conv_out\.bias is \(5,\), .*base \(4,\)"),
        (lambda weights: weights | {"conv_out.bias": torch.zeros(4).char()}, r"conv_out\.bias is of torch\.int8"),
        (lambda weights: weights | {"conv_out.bias": torch.full((4,), torch.nan)}, r"conv_out\.bias has .*not finite"),
        (lambda weights: {"step": 3}, r"no weights in it"),
    ],
)
def test_weights_that_do_not_fit_are_named(theirs, base, tmp_path, change, message):
    source = _saved(tmp_path, "theirs.pt", change(load_file(theirs / UNET)))
    with pytest.raises(LetheError, match=message):
        imported(source, base, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_network_that_reckons_otherwise_is_refused(theirs, base, tmp_path):
    """Its tensors are those of the base, all the same."""
    config = json.loads((theirs / "unet" / CONFIG).read_text())
    write_json(theirs / "unet" / CONFIG, config | {"attention_head_dim": 4})
    for source in (theirs, theirs / "unet"):
        with pytest.raises(LetheError, match="has attention_head_dim 4, the base's has 2"):
            imported(source, base, tmp_path / "model")


@pytest.mark.parametrize(
    ("form", "words", "message"),
    [
        ("pipeline", "--partial true", "partial is for a single file"),
        ("U-Net's folder", "--partial true", "partial is for a single file"),
        ("CompVis", "--partial true", "partial is for a single file"),
        ("pipeline", "--weights ema", "weights: ema is for a CompVis checkpoint"),
        ("safetensors", "--weights ema", "weights: ema is for a CompVis checkpoint"),
    ],
)
def test_a_setting_that_would_be_passed_over_is_refused(theirs, base, tmp_path, form, words, message):
    with pytest.raises(LetheError, match=message):
        imported(FORMS[form](theirs), base, tmp_path / "model", words)
    assert not (tmp_path / "model").exists()


def test_a_file_with_a_text_encoder_beside_the_network_is_refused(theirs, base, tmp_path):
    """It would be measured with the base's, as if nothing of it were unlearned there."""
    source = _saved(theirs, "delta.bin", {"unet": load_file(theirs / UNET), "text_encoder": load_file(theirs / TEXT)})
    with pytest.raises(LetheError, match=r"it holds those of text_encoder.*\n.*folder of the whole pipeline"):
        imported(source, base, tmp_path / "model")


def test_a_stable_diffusion_3_is_asked_for_tokens_as_the_base_is(tmp_path):
    published = published_stable_diffusion_3(tmp_path / "sd3")
    run(lethe.base.given_stable_diffusion3, f"--source {published} --model {tmp_path}/base")
    transformer = f"transformer/{WEIGHTS}"
    changed = forget(published / transformer, "attn.to_q")
    for number, source in enumerate((published, published / "transformer", published / transformer)):
        folder = tmp_path / str(number)
        run(lethe.imported.stable_diffusion3, f"--source {source} --base {tmp_path}/base --model {folder}")
        assert same(folder / transformer, published / transformer)
        assert (told(folder, transformer)["changed"], told(folder, transformer)["parts"]) == (changed, [])
        bases, own = (read_provenance(place / transformer)["t5_tokens"] for place in (tmp_path / "base", folder))
        assert own == bases


# ------------------------------------------------------------------------------------------------------------ classes


def _imported_classes(source: Path, base: Path, folder: Path) -> Path:
    run(lethe.imported.edm, f"--source {source} --base {base} --model {folder}")
    return folder


@pytest.mark.parametrize("form", ["of Lethe", "of others", "state dict"])
def test_a_model_of_classes_comes_back(base_folder, tmp_path, form):
    theirs = Path(shutil.copytree(base_folder, tmp_path / "theirs"))
    if form == "of Lethe":
        EDM.load(theirs).save(theirs, {}, {name: part + 0.5 for name, part in load_file(theirs / WEIGHTS).items()})
    else:
        changed = forget(theirs / WEIGHTS, "conv")  # nothing of EDM's preconditioning is in the file now
    source = _saved(tmp_path, "theirs.pt", load_file(theirs / WEIGHTS)) if form == "state dict" else theirs
    folder = _imported_classes(source, base_folder, tmp_path / "model")
    assert same(folder / WEIGHTS, theirs / WEIGHTS)
    assert EDM.load(folder).settings == EDM.load(base_folder).settings
    found = told(folder, WEIGHTS)
    assert found["changed"] == (found["tensors"] if form == "of Lethe" else changed)


def test_a_pickle_of_edm_is_laid_over_a_base_of_its_kind(tmp_path):
    network = small_network()
    EDM(network, PreconditioningSettings(sigma_data=0.5)).save(tmp_path / "base", {})
    with torch.no_grad():
        next(network.parameters()).add_(1)
    source = write_edm(tmp_path / "theirs.pkl", network)
    folder = _imported_classes(source, tmp_path / "base", tmp_path / "model")
    assert told(folder, WEIGHTS)["changed"] == 1
    assert not same(folder / WEIGHTS, tmp_path / "base" / WEIGHTS)


def test_other_preconditioning_is_refused(base_folder, tmp_path):
    model = EDM.load(base_folder)
    EDM(model.network, model.settings.model_copy(update={"sigma_data": 0.25})).save(tmp_path / "theirs", {})
    for source in (tmp_path / "theirs", tmp_path / "theirs" / WEIGHTS):
        with pytest.raises(LetheError, match=r"sigma_data 0\.25, the base's has"):
            _imported_classes(source, base_folder, tmp_path / "model")


# ------------------------------------------------------------------------------------------------------------- images


def test_images_of_an_imported_model_are_those_of_the_model_it_was(text_folder, text_study, tmp_path):
    """Its own embeddings too; and its records say what it is."""
    model = StableDiffusion.load(text_folder)
    weights = {name: 1.1 * part for name, part in model.network.state_dict().items()}
    model.save(tmp_path / "ours", {"stage": "unlearn"}, weights)
    folder = imported(tmp_path / "ours", text_folder, tmp_path / "theirs", "--name ./ours")
    common = f"--prompts {text_study}/prompts.csv --device cpu"
    words = f"embed --model {folder} {common} --target stripes --concept-prompt striped --output {tmp_path}/embeddings"
    run(lethe.sets.text, words)
    own, bases = (read_arrays(place / "embeddings")[0] for place in (tmp_path, text_study))
    assert all(np.array_equal(own[name], bases[name]) for name in ("table", "rows"))
    images = {}
    for name, embeddings in (("ours", text_study), ("theirs", tmp_path)):
        words = f"--model {tmp_path}/{name} --embeddings {embeddings}/embeddings --output {tmp_path}/{name}_images"
        run(lethe.sample.text, f"{common} {words} {FEW_STEPS}")
        images[name] = read_arrays(tmp_path / f"{name}_images")
    assert np.array_equal(images["ours"][0]["images"], images["theirs"][0]["images"])
    digest = sha256_of(tmp_path / "ours" / UNET)[:12]
    assert images["theirs"][1]["sampler"] == f"{images['ours'][1]['sampler']}; imported model ./ours, sha256 {digest}"


def test_the_card_says_what_was_read(theirs, base, tmp_path):
    folder = imported(theirs, base, tmp_path / "model", "--name ./theirs")
    numbers = {"seed": 0, "metric": "AS", "value": 0.25, "low": 0.2, "high": 0.3, "n": 48}
    write_records(tmp_path / "records.csv", [Record(**dict.fromkeys(COLUMNS, "") | numbers)])
    words = f"--kind text --model {folder} --records {tmp_path}/records.csv --output {tmp_path}/README.md"
    card.main(card.parser().parse_args([*words.split(), "--licence", "Stable Diffusion 1.4 (a licence)"]))
    text = (tmp_path / "README.md").read_text()
    for said in (
        "# ./theirs: imported",
        f"| {UNET} | {sha256_of(theirs / UNET)} |",
        "tensors of the network differ from the base's.",
        "- Base: Stable Diffusion 1.4 (a licence)",
        "| AS |  | 0.25 | 0.2 to 0.3 | 48 |",
    ):
        assert said in text
