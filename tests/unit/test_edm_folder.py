"""EDM's model folders: the same model back, the same bytes, nothing half-read, and diffusers reads them too."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

from lethe.errors import LetheError
from lethe.model_files import CONFIG, WEIGHTS
from lethe.models.edm import EDM
from lethe.models.folder import read_network


def asked(count: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy images, their noise level and their classes."""
    noisy = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return noisy, torch.full((count, 1, 1, 1), 0.7), torch.arange(count)


def test_a_folder_gives_the_model_back(base, tmp_path, weights_of):
    base.save(tmp_path / "model", {"stage": "test", "made": {"from": [1, None]}})
    again = EDM.load(tmp_path / "model")
    assert again.settings == base.settings
    assert again.condition_count == 10
    for name, weight in weights_of(base).items():
        assert torch.equal(again.network.state_dict()[name], weight)
    with torch.no_grad():
        assert torch.equal(again.denoise(*asked()), base.denoise(*asked()))


def test_a_folder_says_what_it_is_in_the_same_bytes_wherever_it_came_from(base, base_folder, tmp_path):
    copy = shutil.copytree(base_folder, tmp_path / "elsewhere")
    base.save(tmp_path / "first", {"stage": "test"})
    for number in range(8):  # whether the metadata have an order shows at the second or third try
        EDM.load(copy).save(tmp_path / str(number), {"stage": "test"})
        for name in (CONFIG, WEIGHTS):
            content = (tmp_path / str(number) / name).read_bytes()
            assert content == (tmp_path / "first" / name).read_bytes()
            assert str(tmp_path).encode() not in content


def test_other_weights_are_saved_in_their_place(base, tmp_path, weights_of):
    halves = {name: weight / 2 for name, weight in weights_of(base).items()}
    base.save(tmp_path / "model", {}, halves)
    for name, weight in EDM.load(tmp_path / "model").network.state_dict().items():
        assert torch.equal(weight, halves[name])


def test_a_weight_that_is_not_finite_leaves_the_folder_as_it_was(base, base_folder, tmp_path):
    folder = shutil.copytree(base_folder, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with torch.no_grad():
        base.network.conv_out.bias[0] = torch.nan
    with pytest.raises(LetheError, match=r"conv_out\.bias"):
        base.save(folder, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(LetheError, match=r"conv_out\.bias"):
        base.save(tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def weights_changed(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata=METADATA)

    return damage


METADATA = {"format": "pt", "lethe": json.dumps({"preconditioning": {}})}
DAMAGES: dict[str, Callable[[Path], object]] = {
    "no folder": shutil.rmtree,
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "broken config": lambda folder: (folder / CONFIG).write_text("{"),
    "cut weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1]),
    "a missing weight": weights_changed(lambda tensors: tensors.pop("conv_in.weight")),
    "a weight too many": weights_changed(lambda tensors: tensors.update(other=torch.zeros(1))),
    "a weight of another shape": weights_changed(lambda tensors: tensors.update({"conv_in.bias": torch.zeros(9)})),
    "not of Lethe": lambda folder: save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt"}),
    "no preconditioning": lambda folder: save_file(
        load_file(folder / WEIGHTS), folder / WEIGHTS, METADATA | {"lethe": "{}"}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_folder_that_is_not_whole_is_refused_by_name(base_folder, tmp_path, damage):
    folder = shutil.copytree(base_folder, tmp_path / "this one")
    damage(folder)
    with pytest.raises(LetheError, match="this one"):
        EDM.load(folder)


def test_a_network_that_lethe_did_not_write_has_no_provenance(base, tmp_path, weights_of):
    base.network.save_pretrained(tmp_path / "foreign")
    network, provenance = read_network(tmp_path / "foreign", UNet2DModel)
    assert provenance == {}
    assert all(torch.equal(weight, weights_of(base)[name]) for name, weight in network.state_dict().items())


def test_diffusers_loads_the_folder_without_lethe(base, base_folder, tmp_path):
    given, level, conditions = asked()
    time = level.flatten()
    with torch.no_grad():
        inside = base.network(given, time, class_labels=conditions).sample
    save_file({"given": given, "time": time, "conditions": conditions}, tmp_path / "given")
    program = """
import sys
from diffusers import UNet2DModel
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file
folder, given, output = sys.argv[1:]
seen = load_file(given)
network = UNet2DModel.from_pretrained(folder).eval()
inside = network(seen["given"], seen["time"], class_labels=seen["conditions"]).sample
save_file({"inside": inside.detach()}, output)
sys.exit(any(name.split(".")[0] == "lethe" for name in sys.modules))
"""
    words = [sys.executable, "-c", program, base_folder, tmp_path / "given", tmp_path / "output"]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    assert torch.equal(load_file(tmp_path / "output")["inside"], inside)
