"""The card of an unlearned model: what it forgot, how, from what, and how well; nothing else in the folder moves."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from lethe import card
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.methods import method_named
from lethe.plan import Plan
from lethe.record import COLUMNS, Record, write_records
from lethe.unlearn import __main__ as unlearn

NOTHING = dict.fromkeys(COLUMNS, "")


def record(metric: str, value: float, **changes: object) -> Record:
    numbers = {"seed": 4, "metric": metric, "value": value, "low": None, "high": None, "n": 100, "control": None}
    protocol = {"control_n": None, "judge": "digits classifier", "sampler": "EDM Heun, 18 steps", "image_seeds": "0-99"}
    return Record(**(NOTHING | numbers | protocol | changes))


@pytest.fixture
def model(tmp_path, base_folder, sets_file) -> Path:
    """A model that RGD has made forget a little."""
    places = {"base": base_folder, "sets": sets_file, "model": tmp_path / "model"}
    places |= {"trajectory": tmp_path / "trajectory", "conflict": tmp_path / "conflict", "cost": tmp_path / "cost"}
    words = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    settings = ["--steps", "2", "--batch", "16", "--learning-rate", "1e-3", "--seed", "4", "--device", "cpu"]
    unlearn.main(unlearn.parser().parse_args(["class", "rgd", *words, *settings]))
    return places["model"]


def written(model: Path, records: list[Record], source: str = "digits") -> str:
    path = model.parent / "records.csv"
    write_records(path, records)
    words = f"--kind class --model {model} --records {path} --source {source} --output {model / 'README.md'}"
    card.main(card.parser().parse_args(words.split()))
    return (model / "README.md").read_text()


def test_it_says_what_was_forgotten_how_and_how_well(model):
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    text = written(model, [record("UA", 0.97512, low=0.91, high=0.99), record("FD", 12.5, n=450)])
    assert text.startswith("---\nlibrary_name: diffusers\n")
    assert "# RGD: class 3 forgotten" in text
    assert "training seed 4, 40 images in D_f, 18 in D_r" in text
    for said in ("arXiv 2412.07808", "none stated", "0075ecb", '"learning_rate": 0.001', "scikit-learn's digits"):
        assert said in text
    assert all(difference in text for difference in method_named("rgd").card.differences)
    assert "| UA |  | 0.9751 | 0.91 to 0.99 | 100 |" in text
    assert "| FD |  | 12.5 |  | 450 |" in text
    assert "Judges: digits classifier (). Sampler: EDM Heun, 18 steps." in text
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.name != "README.md"} == before


def test_a_base_of_unknown_licence_is_said_to_be_one(model):
    assert "licence not known" in written(model, [record("UA", 1.0)], source="elsewhere")


def test_a_given_base_is_called_by_its_name_and_licence(model):
    write_records(model.parent / "records.csv", [record("UA", 0.5)])
    words = ["--kind", "class", "--model", str(model), "--records", str(model.parent / "records.csv")]
    words += ["--licence=Stable Diffusion 1.4 (CreativeML Open RAIL-M)", "--output", str(model / "README.md")]
    card.main(card.parser().parse_args(words))
    assert "- Base: Stable Diffusion 1.4 (CreativeML Open RAIL-M)\n" in (model / "README.md").read_text()


def front_matter(base: card.Base | None) -> dict[str, object]:
    made = {"method": "esd", "seed": 0, "versions": {"lethe": "0"}, "settings": {}}
    text = card.model_card(method_named("esd"), "stable_diffusion", made, (), base)
    return yaml.safe_load(text.split("---")[1])


def test_the_licence_that_hubs_read_is_the_bases():
    front = front_matter(card.Base("Stable Diffusion 1.4", "CreativeML Open RAIL-M", "CompVis/stable-diffusion-v1-4"))
    assert front["license"] == "creativeml-openrail-m"
    assert front["base_model"] == "CompVis/stable-diffusion-v1-4"
    assert front["pipeline_tag"] == "text-to-image"
    assert front["tags"] == ["machine-unlearning", "lethe", "esd"]
    named = front_matter(card.Base("Stable Diffusion 3", "Stability AI Community License"))
    assert (named["license"], named["license_name"]) == ("other", "Stability AI Community License")
    assert front_matter(None)["license"] == front_matter(card.TRAINED["cifar10"])["license"] == "unknown"
    assert "base_model" not in front_matter(card.TRAINED["shapes"])


def test_a_preset_tells_the_card_of_its_base():
    """Of a base that is an asset: title, licence, and its name on the hub."""
    plan = Plan(read_preset(["paper"])).studies["sd14"]
    said = card.parser().parse_args(
        ["--kind=text", "--model=m", "--records=r", "--output=o", *shlex.split(plan.origin)]
    )
    assert said.licence == "Stable Diffusion 1.4, in diffusers' format (CreativeML Open RAIL-M)"
    assert said.terms == "CreativeML Open RAIL-M"
    assert said.base_model == "CompVis/stable-diffusion-v1-4"


def test_a_control_is_called_one():
    made = {"method": "destroyed", "seed": 0, "versions": {"lethe": "0"}, "settings": {}}
    text = card.model_card(method_named("destroyed"), "edm", made)
    assert "# Destroyed: a control" in text
    assert "D_f" not in text
    assert "Measured:" not in text


def test_a_concept_is_forgotten_by_name_and_diffusers_is_shown():
    made = {"method": "rgd", "seed": 0, "versions": {"lethe": "0"}, "settings": {}, "target": "stripes"}
    text = card.model_card(method_named("rgd"), "stable_diffusion", made | {"forget_images": 8, "retain_images": 8})
    assert "# RGD: stripes forgotten" in text
    assert "StableDiffusionPipeline.from_pretrained" in text
    seen = {"forget_images": 8, "retain_images": 8, "t5_tokens": 0}
    text = card.model_card(method_named("rgd"), "stable_diffusion_3", made | seen)
    assert "StableDiffusion3Pipeline.from_pretrained" in text
    assert '"this folder", text_encoder_3=None, tokenizer_3=None)' in text
    assert 'pipeline("a prompt", max_sequence_length=0)' in text
    text = card.model_card(method_named("rgd"), "stable_diffusion_3", made | seen | {"t5_tokens": 256})
    assert 'pipeline("a prompt").images[0]' in text


def test_a_base_is_no_unlearned_model(tmp_path, base_folder):
    write_records(tmp_path / "records", [])
    words = f"--kind class --model {base_folder} --records {tmp_path / 'records'} --output {tmp_path / 'card'}"
    with pytest.raises(LetheError, match="not an unlearned model"):
        card.main(card.parser().parse_args(words.split()))
    assert not (tmp_path / "card").exists()
