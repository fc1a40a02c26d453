"""Given bases, precision and checkpointing in the configuration: what is planned of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.plan import Plan

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def preset(base: Any = None, study: str = "shapes", **top: Any) -> dict[str, Any]:
    values = copy.deepcopy(MINIATURE)
    if base is not None:
        values["studies"][study]["base"] = base
    for name, changes in top.items():
        values[name] |= changes
    return values


@pytest.fixture
def catalogue(tmp_path) -> Path:
    """Three assets of a few files."""

    def asset(title: str, *paths: str) -> dict[str, Any]:
        files = [{"path": path, "url": f"https://example.org/{title}/{path}"} for path in paths]
        return {"title": title, "licence": "for tests", "used_by": "tests", "files": files}

    assets = {
        "sd14": asset("Stable Diffusion 1.4", "model_index.json", "unet/config.json"),
        "sd3_medium": asset("Stable Diffusion 3 medium", "model_index.json", "transformer/config.json"),
        "t5": asset("T5", "text_encoder_3/config.json", "tokenizer_3/tokenizer.json"),
    }
    path = tmp_path / "assets.yaml"
    path.write_text(json.dumps(assets))
    return path


def plan_of(catalogue: Path, base: Any = None, study: str = "shapes", **top: Any) -> Plan:
    assets = {"catalogue": str(catalogue), "folder": "there"}
    return Plan(load_config(preset(base, study, assets=assets, **top)))


def test_a_given_base_is_read_from_its_asset_and_trained_on_nothing(catalogue):
    plan = plan_of(catalogue, {"given": "sd14"})
    shapes = plan.studies["shapes"]
    assert shapes.family == "stable_diffusion"
    job = shapes.base()
    assert job.options == "--source=there/sd14 --weights=ema --configuration=none"
    assert [file for place in shapes.given_base for file in place.inputs] == ["there/sd14/manifest.json"]
    assert plan.studies_of_family("stable_diffusion", "given") == "shapes"
    assert plan.studies_of_family("stable_diffusion", "trained") == "(?!)"
    assert plan.studies_of_family("stable_diffusion_3", "trained") == "shapes3"
    assert plan.studies_of_family("stable_diffusion") == "shapes"
    assert shapes.origin == "--licence='Stable Diffusion 1.4 (for tests)' --terms='for tests'"
    assert not any("base/stable_diffusion" in str(path) for path in job.code)


def test_the_mark_of_what_is_given_is_in_every_fingerprint_behind_it(catalogue):
    before = plan_of(catalogue, {"given": "sd14"}).expected()
    text = catalogue.read_text().replace("1.4/unet", "1.4-other/unet")
    other = catalogue.with_name("other.yaml")
    other.write_text(text)
    after = plan_of(other, {"given": "sd14"}).expected()
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {path for path in before if "/shapes/" in path and "/judge/" not in path and "/data/" not in path}


def test_a_checkpoint_goes_with_a_configuration(catalogue, tmp_path):
    (tmp_path / "my.ckpt").touch()
    base = {"given": f"{tmp_path}/my.ckpt", "configuration": "sd14", "weights": "live"}
    shapes = plan_of(catalogue, base).studies["shapes"]
    assert shapes.base().options == f"--source={tmp_path}/my.ckpt --weights=live --configuration=there/sd14"
    inputs = [file for place in shapes.given_base for file in place.inputs]
    assert inputs == [f"{tmp_path}/my.ckpt", "there/sd14/manifest.json"]
    assert shapes.origin == f"--licence='{tmp_path}/my.ckpt, given by the user'"


def test_t5_is_for_the_prompts_alone(catalogue):
    base = {"pipeline": "stable_diffusion_3", "given": "sd3_medium"}
    without = plan_of(catalogue, base, "shapes3").studies["shapes3"]
    study = plan_of(catalogue, base | {"t5": "t5"}, "shapes3").studies["shapes3"]
    assert study.base() == without.base()
    assert study.base().options == "--source=there/sd3_medium"
    assert (without.t5_files, study.t5_files) == ((), ("there/t5/manifest.json",))
    assert "--t5" not in without.embeddings("stripes").options
    assert study.embeddings("stripes").options.endswith("--t5=there/t5 --device cpu")
    assert study.embeddings("stripes").fingerprint != without.embeddings("stripes").fingerprint


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"given": "sd41"}, r"there is no asset 'sd41'\n.*did you mean 'sd14'"),
        ({"given": "./sd14"}, r"\./sd14: no such file or folder"),
    ],
)
def test_what_is_not_there_is_named_before_any_job(catalogue, base, message):
    with pytest.raises(LetheError, match=message):
        plan_of(catalogue, base).expected()


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"given": "sd14", "steps": 5}, r"studies\.shapes\.base\.steps: there is no such key"),
        ({"given": "sd14", "t5": "t5"}, r"studies\.shapes\.base\.t5: there is no such key"),
        ({"given": "sd14", "wieghts": "ema"}, r"base\.wieghts: .* did you mean 'weights'"),
        ({"given": "sd14", "pipeline": "flux"}, r"base\.pipeline: say stable_diffusion or stable_diffusion_3"),
        ({"given": ""}, r"studies\.shapes\.base\.given: .*at least 1 character"),
    ],
)
def test_a_wrong_key_of_a_given_base_is_named(base, message):
    with pytest.raises(LetheError, match=message):
        load_config(preset(base))


def test_precision_and_checkpointing_are_asked_of_the_jobs_that_they_change(catalogue):
    plain = plan_of(catalogue)
    half = plan_of(catalogue, compute={"precision": "bfloat16"})
    checkpointed = plan_of(catalogue, compute={"checkpointing": True})
    cell = next(plain.studies["shapes"].cells(["rgd"]))

    def jobs(plan: Plan) -> dict[str, str]:
        text = plan.studies["shapes"]
        return {
            "unlearn": text.unlearn(cell).options,
            "sample": text.sample(cell).options,
            "training images": text.training_images("stripes", "diversified").options,
            "base": text.base().options,
            "sets": text.sets("stripes", "diversified").options,
            "class": plan.studies["digits"].unlearn(next(plan.studies["digits"].cells(["rgd"]))).options,
        }

    def added(plan: Plan) -> dict[str, str]:
        return {name: words.removeprefix(jobs(plain)[name]) for name, words in jobs(plan).items()}

    assert not any("precision" in words or "checkpointing" in words for words in jobs(plain).values())
    nothing = dict.fromkeys(jobs(plain), "")
    precise = dict.fromkeys(("unlearn", "sample", "training images"), " --precision bfloat16")
    assert added(half) == nothing | precise
    assert added(checkpointed) == nothing | {"unlearn": " --checkpointing"}
    stale = {path for path, mark in half.expected().items() if plain.expected()[path] != mark}
    assert stale
    assert not any("/digits/" in path or "/base/model/" in path for path in stale)
