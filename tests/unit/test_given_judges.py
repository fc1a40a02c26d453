"""The judges that are given: Inception as pytorch-fid and TensorFlow have it, CLIP as transformers has it."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import class_assets
import numpy as np
import pytest
import pytorch_fid.inception
import torch
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from lethe.errors import LetheError
from lethe.files import read_json, write_json
from lethe.judge.given import rows_for_distances
from lethe.judges.clip_images import read_transform, resize_bicubic
from lethe.judges.inception import load_inception, look_inception, pytorch_front_end, tf1_front_end
from lethe.judges.zero_shot import load_zero_shot, look_zero_shot

CPU = torch.device("cpu")
SENTENCES = [f"a photo of a {name}" for name in (*class_assets.CLASSES, "random noise")]


def noise(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


# Inception


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return class_assets.write_inception(tmp_path_factory.mktemp("inception") / "weights.pth")


def test_features_are_pytorch_fids_to_the_bit(weights, monkeypatch):
    # Its own builder downloads; here it is handed the same weights.
    stored = torch.load(weights, weights_only=True)
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: stored)
    theirs = pytorch_fid.inception.InceptionV3([3]).eval()
    images = noise(2, 3, 32, 32)
    found = look_inception(load_inception(weights), images, ["pytorch"], CPU, batch=2)["pytorch"]
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(images).float() / 255)[0].flatten(1).numpy()
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()
    assert found.std() > 0.1


def test_each_image_is_seen_alone_and_through_each_front_end(weights):
    network, images = load_inception(weights), noise(3, 1, 8, 8)
    found = look_inception(network, images, ["tf1", "pytorch"], CPU, batch=2)
    alone = look_inception(network, images[2:], ["tf1"], CPU, batch=2)["tf1"]
    np.testing.assert_allclose(found["tf1"][2:], alone, rtol=1e-4, atol=1e-4)
    assert abs(found["tf1"] - found["pytorch"]).max() > 0.01
    coloured = look_inception(network, images.repeat(3, 1), ["tf1"], CPU, batch=3)["tf1"]
    np.testing.assert_allclose(found["tf1"], coloured, rtol=1e-4, atol=1e-4)


def test_the_first_front_end_is_the_formula():
    image = noise(1, 3, 32, 40)
    found = tf1_front_end(torch.from_numpy(image)).numpy()[0]
    for row, column in [(0, 0), (0, 298), (298, 0), (298, 298), (17, 203), (150, 149)]:
        down, across = row * 32 / 299, column * 40 / 299
        top, left = int(down), int(across)
        bottom, right = min(top + 1, 31), min(left + 1, 39)
        a, b = down - top, across - left
        pixels = image[0].astype(float)
        upper = pixels[:, top, left] * (1 - b) + pixels[:, top, right] * b
        lower = pixels[:, bottom, left] * (1 - b) + pixels[:, bottom, right] * b
        np.testing.assert_allclose(found[:, row, column], (upper * (1 - a) + lower * a - 128) / 128, atol=2e-5)


def test_the_first_front_end_is_torch_fidelitys_sampling_grid():
    """There the grid of an affine map is shifted by half a pixel of the source and of the target."""
    image = torch.from_numpy(noise(2, 3, 32, 32))
    steps = (torch.arange(299) * (32 / 299) + 0.5) * 2 / 32 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).expand(2, -1, -1, -1)
    resized = torch.nn.functional.grid_sample(image.float(), grid, "bilinear", "border", align_corners=False)
    torch.testing.assert_close(tf1_front_end(image), (resized - 128) / 128, rtol=0, atol=1e-4)
    assert (tf1_front_end(image) - pytorch_front_end(image)).abs().mean() > 0.1


def test_other_weights_are_refused(tmp_path, weights):
    stored = torch.load(weights, weights_only=True)
    stored.pop("Mixed_7c.branch1x1.conv.weight")
    torch.save(stored, tmp_path / "short.pth")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("moved")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"run": pathlib_touch(tmp_path / "touched")}))
    for name in ("short", "other", "text", "pickle"):
        with pytest.raises(LetheError, match=rf"{name}\.pth: not the weights"):
            load_inception(tmp_path / f"{name}.pth")
    with pytest.raises(LetheError, match="no such file"):
        load_inception(tmp_path / "none.pth")
    assert not (tmp_path / "touched").exists()


def pathlib_touch(place: Path) -> object:
    class Harmful:
        def __reduce__(self):
            return Path.touch, (place,)

    return Harmful()


def test_only_images_that_distances_need_are_looked_at():
    conditions = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    assert rows_for_distances(conditions, 2, target=1).tolist() == [0, 2, 3, 5]
    assert rows_for_distances(conditions, 1, target=None).tolist() == [0, 1, 2]
    assert rows_for_distances(conditions, None, target=None).tolist() == list(range(9))


# CLIP


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return class_assets.write_clip(tmp_path_factory.mktemp("clip") / "folder")


@pytest.mark.parametrize("shape", [(32, 32), (48, 48), (90, 60), (64, 200)])
def test_images_are_what_clips_own_processor_makes_of_them(clip, shape):
    images = noise(4, 3, *shape)
    found = read_transform(clip / "preprocessor_config.json", 48)(torch.from_numpy(images))
    level = 1 / 255 / 0.26  # of what is left after the normalisation
    for processor in (CLIPImageProcessor, CLIPImageProcessorPil):
        made = processor.from_pretrained(clip)(images=[*images], return_tensors="pt")["pixel_values"]
        difference = (found - made).abs()
        assert difference.max() < 2.1 * level  # both roundings of a pixel can lie half-way
        assert (difference > 1e-5).float().mean() < 0.02


def test_resizing_is_pillows():
    from PIL import Image

    image = noise(1, 3, 32, 32)[0]
    wanted = Image.fromarray(image.transpose(1, 2, 0)).resize((224, 224), Image.Resampling.BICUBIC)
    found = resize_bicubic(torch.from_numpy(image)[None], 224, 224)[0].numpy().transpose(1, 2, 0)
    difference = np.abs(found - np.asarray(wanted, dtype=np.float32))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_logits_are_those_of_transformers(tmp_path, name):
    folder, images = class_assets.write_clip(tmp_path, name), noise(5, 3, 32, 32)
    judge = load_zero_shot(folder, SENTENCES, CPU)
    logits, embeddings = look_zero_shot(judge, images, batch=2, embeddings=True)
    model = CLIPModel.from_pretrained(folder, weights_only=True).eval()
    tokens = CLIPTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    with torch.inference_mode():
        seen = model(pixel_values=judge.transform(torch.from_numpy(images)), **tokens)
    assert (logits.shape, embeddings.shape) == ((5, 11), (5, 12))
    np.testing.assert_allclose(logits, seen.logits_per_image.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(embeddings, seen.image_embeds.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


def test_a_pickle_of_weights_is_not_run(tmp_path):
    folder = class_assets.write_clip(tmp_path / "clip", "pytorch_model.bin")
    torch.save({"logit_scale": pathlib_touch(tmp_path / "touched")}, folder / "pytorch_model.bin")
    with pytest.raises(LetheError, match="not a readable folder of CLIP"):
        load_zero_shot(folder, SENTENCES, CPU)
    assert not (tmp_path / "touched").exists()


def test_what_is_not_clip_is_refused(tmp_path, clip):
    with pytest.raises(LetheError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        load_zero_shot(tmp_path, SENTENCES, CPU)
    with pytest.raises(LetheError, match="17 tokens"):
        load_zero_shot(clip, ["plane " * 15], CPU)
    folder = Path(shutil.copytree(clip, tmp_path / "clip"))
    good = read_json(folder / "preprocessor_config.json")
    for change, named in (({"resample": 2}, "resample"), ({"do_resize": False}, "do_resize"), ({"size": 40}, "size")):
        write_json(folder / "preprocessor_config.json", good | change)
        with pytest.raises(LetheError, match=f"{named} is not what CLIP"):
            load_zero_shot(folder, SENTENCES, CPU)
    torch.save({"logit_scale": torch.ones(())}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(LetheError, match="it has no weight"):
        load_zero_shot(folder, SENTENCES, CPU)
