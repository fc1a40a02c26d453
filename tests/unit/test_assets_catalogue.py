"""Lethe's own catalogue of downloads: every entry can be fetched by what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lethe.assets import place_of, read_catalogue
from lethe.assets.readiness import check_assets, lacks_of
from lethe.errors import LetheError
from lethe.settings.assets import AssetSettings

CATALOGUE = read_catalogue()
NAMES = {
    *("cifar10", "edm_cifar10", "edm_fid_reference", "inception", "clip_b32"),
    *("open_clip_b32", "nudenet", "sd14", "sd14_checkpoint", "sd3_medium", "t5", "i2p", "i2p_esd"),
    *("coco_captions", "coco_images"),
}


def test_has_what_the_presets_name():
    assert set(CATALOGUE) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_entry_tells_where_how_large_and_under_which_terms(name):
    asset = CATALOGUE[name]
    assert asset.size is not None, "neither sizes nor roughly"
    assert asset.roughly is None or any(file.size is None for file in asset.files), "the sizes are known: no roughly"
    for file in asset.files:
        assert re.match(
            r"https://|http://images\.cocodataset\.org/", file.url
        )  # that host has no certificate of its own
        assert file.url.endswith(f"/{file.path}")
        # What may change at its place is known by its sum; the list of prompts alone is the first that came.
        if "/resolve/main/" in file.url:
            assert file.sha256 is not None or name == "i2p"
        if asset.revision and file.sha256 is None:
            assert f"/{asset.revision}/" in file.url


def test_a_part_of_an_inception_name_is_of_its_sum():
    (file,) = CATALOGUE["inception"].files
    assert file.path == f"pt_inception-2015-12-05-{file.sha256[:8]}.pth"


def test_the_check_before_any_job_names_all_that_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("lethe.assets.hub.token", lambda: None)
    online = AssetSettings(folder=str(tmp_path))
    places = [place_of(name, online) for name in ("cifar10", "sd3_medium")]
    with pytest.raises(LetheError) as told:
        check_assets(places, online, "paper")
    text = str(told.value)
    assert "cifar10" not in text  # a job fetches it
    assert "sd3_medium: Stable Diffusion 3 medium" in text
    assert f"{tmp_path}/sd3_medium/transformer/diffusion_pytorch_model.safetensors (size not known): missing" in text
    assert text.count("accept its terms at https://huggingface.co/stabilityai/stable-diffusion-3-medium-diffusers") == 1
    assert "remedy: run `make assets PRESET=paper`" in text
    offline = online.model_copy(update={"offline": True})
    with pytest.raises(LetheError, match=r"cifar-10-python.tar.gz \(170 MB\): missing"):
        check_assets(places[:1], offline, "paper")


def test_existence_and_size_are_enough_for_the_check(tmp_path):
    settings = AssetSettings(folder=str(tmp_path), offline=True)
    place = tmp_path / "nudenet"
    place.mkdir()
    with (place / "320n.onnx").open("wb") as stream:
        stream.truncate(12_150_158)
    assert lacks_of("nudenet", CATALOGUE["nudenet"], settings) == []
    with (place / "320n.onnx").open("ab") as stream:
        stream.write(b"x")
    (lack,) = lacks_of("nudenet", CATALOGUE["nudenet"], settings)
    assert lack.reason == "has 12150159 bytes instead of 12150158"


def test_the_page_for_users_lists_all():
    text = Path("docs/assets.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == NAMES
