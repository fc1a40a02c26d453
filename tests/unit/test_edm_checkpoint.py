"""EDM's checkpoints become model folders: the same weights, nothing run, and what is no DDPM++ refused by name."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from edm_pickle import (
    SIZES,
    SOURCE,
    Persistent,
    checkpoint_of,
    node_at,
    pickled,
    small_network,
    storage_blob,
    write_edm,
)
from hostile import Called, call, global_, harmless, is_refused, stack_global, text, values
from safetensors import safe_open
from stages import run

from lethe.base import given_edm
from lethe.files import read_provenance, sha256_of, write_arrays
from lethe.model_files import WEIGHTS
from lethe.models.edm import EDM
from lethe.settings.sampling import SamplingSettings
from lethe.unpickling.edm import read_edm


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_checkpoint_gives_the_network_back(tmp_path, protocol):
    network = small_network(dropout=0.13)
    path = write_edm(tmp_path / "edm.pkl", network, protocol=protocol)
    read = read_edm(path)
    assert read.network == SIZES | {"embedding_multiplier": 4, "dropout": 0.13}
    assert read.preconditioning.model_dump() == {"sigma_data": 0.5, "p_mean": -1.2, "p_std": 1.2}
    assert read.sha256 == sha256_of(path)
    assert read.sources["SongUNet"] == hashlib.sha256(SOURCE.encode()).hexdigest()
    assert {"torch_utils.persistence._reconstruct_persistent_obj", "torch.storage._load_from_bytes"} <= set(read.asked)
    weights = network.state_dict()
    assert list(read.tensors) == list(weights)
    assert all(torch.equal(read.tensors[name], weight) for name, weight in weights.items())
    again = given_edm.model_of(path, read).network
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in weights.items())


@pytest.mark.parametrize(
    "sizes",
    [
        {"multipliers": [2, 2, 2], "layers": 2, "sample_size": 16, "attention": [16, 4]},
        {"num_class_embeds": 0, "augment_dim": 0, "attention": []},
        {"multipliers": [3], "embedding_multiplier": 2, "in_channels": 1, "attention": []},
    ],
)
def test_the_networks_sizes_are_read_from_its_weights(tmp_path, sizes):
    network = small_network(**sizes)
    read = read_edm(write_edm(tmp_path / "edm.pkl", network))
    assert read.network == {key: network.config[key] for key in read.network}
    assert given_edm.model_of(tmp_path, read).clean_shape[1] == network.config.sample_size


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_files_of_numpy_before_and_since_2_are_read(package, tmp_path):
    path = write_edm(tmp_path / "edm.pkl", small_network(), protocol=2)
    content, wanted = path.read_bytes(), f"c{package}.multiarray\nscalar\n".encode()
    for name in (b"numpy.core", b"numpy._core"):  # whichever the numpy here writes
        content = content.replace(b"c" + name + b".multiarray\nscalar\n", wanted)
    assert wanted in content
    path.write_bytes(content)
    assert f"{package}.multiarray.scalar" in read_edm(path).asked


def test_what_a_file_does_not_say_is_not_asked(tmp_path):
    """Attributes of later versions, and the loss of training snapshots."""

    def strip(checkpoint):
        del checkpoint["loss_fn"], checkpoint["augment_pipe"], checkpoint["dataset_kwargs"]
        for name in ("use_fp16", "sigma_max", "img_channels", "_init_kwargs"):
            del node_at(checkpoint, "").state[name]
        del node_at(checkpoint, "model").state["label_dropout"]

    path = write_edm(tmp_path / "edm.pkl", small_network(), strip)
    assert read_edm(path).preconditioning.p_mean == -1.2


# Nothing is run


def hostile_file(path: Path, value: bytes) -> Path:
    path.write_bytes(b"\x80\x04}(" + text("ema") + value + b"u.")
    return path


@pytest.mark.parametrize("name", list(values(Path("sentinel"))))
def test_nothing_in_a_checkpoint_is_run(name, tmp_path):
    sentinel = tmp_path / "sentinel"
    path = hostile_file(tmp_path / "edm.pkl", values(sentinel)[name])
    with harmless(sentinel):
        is_refused(lambda: read_edm(path), str(path))


def test_the_source_in_a_checkpoint_is_not_run(tmp_path):
    sentinel = tmp_path / "sentinel"
    source = f"import pathlib, this; pathlib.Path({str(sentinel)!r}).touch()"
    path = write_edm(tmp_path / "edm.pkl", small_network(), source=source)
    with harmless(sentinel):
        read = read_edm(path)
    assert set(read.sources.values()) == {hashlib.sha256(source.encode()).hexdigest()}
    assert not [name for name in sys.modules if name.split(".")[0] in ("torch_utils", "dnnlib", "training")]


def rebuilt(blob: bytes, offset: bytes = b"K\x00", size: bytes = b"(K\x02t", stride: bytes = b"(K\x01t") -> bytes:
    """A parameter whose storage is ``blob``, as a network's only weight."""
    storage = call(global_("torch.storage", "_load_from_bytes"), b"B" + len(blob).to_bytes(4, "little") + blob)
    tensor = call(
        global_("torch._utils", "_rebuild_tensor_v2"),
        *(storage, offset, size, stride, b"\x89", call(global_("collections", "OrderedDict"))),
    )
    state = b"}(" + text("_parameters") + b"}" + text("weight") + tensor + b"su"
    meta = b"}(" + text("type") + text("class") + text("class_name") + text("Linear")
    meta += text("module_src") + text("") + text("state") + state + b"u"
    return call(global_("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


GOOD_BLOB = storage_blob(torch.tensor([1.0, 2.0]))


def test_a_storage_in_a_checkpoint_is_read(tmp_path):
    path = hostile_file(tmp_path / "edm.pkl", rebuilt(GOOD_BLOB))
    is_refused(lambda: read_edm(path), "no SongUNet in EDMPrecond")  # so the tensor itself was in order


def blobs(sentinel: Path) -> dict[str, bytes]:
    evil = pickle.dumps(Called(sentinel.touch))
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    big_endian = GOOD_BLOB.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
    assert big_endian != GOOD_BLOB
    return {
        "evil without a header": evil,
        "evil behind the header": head + evil,
        "evil for the keys": head + pickle.dumps({}, 2) + evil,
        "truncated": GOOD_BLOB[:-1],
        "too long": GOOD_BLOB + b"x",
        "another length": GOOD_BLOB.replace((2).to_bytes(8, "little"), (3).to_bytes(8, "little")),
        "big-endian": big_endian,
        "not a storage": head + pickle.dumps({}, 2) + pickle.dumps([], 2),
        "of objects": GOOD_BLOB.replace(b"FloatStorage", b"Other_Storage"[:12]),
        "empty": b"",
    }


@pytest.mark.parametrize("name", list(blobs(Path("sentinel"))))
def test_a_bad_storage_is_refused(name, tmp_path):
    sentinel = tmp_path / "sentinel"
    path = hostile_file(tmp_path / "edm.pkl", rebuilt(blobs(sentinel)[name]))
    with harmless(sentinel):
        is_refused(lambda: read_edm(path), str(path))


@pytest.mark.parametrize(
    "crooked",
    [
        {"size": b"(K\x03t"},
        {"offset": b"K\x01"},
        {"stride": b"(K\x02t"},
        {"stride": b"(J\xff\xff\xff\xfft"},
        {"size": b"(G?\xf0\0\0\0\0\0\0t"},
        {"size": b"(K\x01K\x01t"},
        {"size": b"K\x02"},
        {"offset": b"J\xff\xff\xff\xff"},
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(crooked, tmp_path):
    path = hostile_file(tmp_path / "edm.pkl", rebuilt(GOOD_BLOB, **crooked))
    message = is_refused(lambda: read_edm(path), str(path))
    assert "SongUNet" not in message


def test_broken_containers_are_refused(tmp_path):
    path = write_edm(tmp_path / "edm.pkl", small_network())
    whole = path.read_bytes()
    for content, word in (
        (whole[: len(whole) // 2], "not a readable pickle"),
        (whole + b"x", "bytes behind its end"),
        (pickle.dumps([1]), "list"),
        (pickle.dumps({"ema": 1}), "no network called ema"),
        (b"\x80\x02Pid\n.", "persistent id"),
        (pickled({"ema": Persistent("EDMPrecond", SOURCE, {"a": np.array([None])})}), "_reconstruct"),
        (pickled({"ema": Persistent("EDMPrecond", SOURCE, {"a": np.float64(1)})}).replace(b"f8", b"O8"), "'O8'"),
        (
            b"\x80\x04}" + text("ema") + call(stack_global("torch.nn.modules.container", "Sequential")) + b"s.",
            "Sequential",
        ),
    ):
        path.write_bytes(content)
        is_refused(lambda: read_edm(path), str(path), word)
    path.unlink()
    is_refused(lambda: read_edm(path), "no such file")


# What is no DDPM++ of EDM is refused by name


def attribute(name: str, **values: object):
    return lambda checkpoint: node_at(checkpoint, name).state.update(values)


def kind(name: str, other: str):
    return lambda checkpoint: setattr(node_at(checkpoint, name), "kind", other)


def weights(name: str, **values: object):
    return lambda checkpoint: node_at(checkpoint, name).state["_parameters"].update(values)


BLOCK = "model.enc.8x8_block0"
DOWN = "model.enc.4x4_down.conv0"
REFUSED = {
    "another preconditioning": (kind("", "VPPrecond"), "VPPrecond"),
    "ADM": (kind("model", "DhariwalUNet"), "model is a DhariwalUNet"),
    "NCSN++": (kind("model.map_noise", "FourierEmbedding"), "map_noise is a FourierEmbedding"),
    "no endpoint": (attribute("model.map_noise", endpoint=False), "map_noise.endpoint is False"),
    "half precision": (attribute("", use_fp16=True), "use_fp16"),
    "a lowest noise": (attribute("", sigma_min=0.002), "sigma_min"),
    "no sigma_data": (attribute("", sigma_data=None), "sigma_data is None"),
    "a size of its own": (attribute("", img_resolution=64), "img_resolution is 64"),
    "label dropout": (attribute("model", label_dropout=0.1), "label_dropout"),
    "another scale": (attribute(BLOCK, skip_scale=1.0), "8x8_block0.skip_scale"),
    "adaptive scale": (attribute(BLOCK, adaptive_scale=True), "adaptive_scale"),
    "several heads": (attribute("model.enc.4x4_block0", num_heads=4), "num_heads is 4, not 1"),
    "a dropout of its own": (attribute(BLOCK, dropout=0.5), "dropout"),
    "another eps": (attribute(f"{BLOCK}.norm0", eps=1e-5), "eps"),
    "other groups": (attribute(f"{BLOCK}.norm0", num_groups=4), "num_groups"),
    "fused resampling": (attribute(DOWN, fused_resample=True), "fused_resample"),
    "another filter": (
        lambda checkpoint: node_at(checkpoint, DOWN).state["_buffers"].update(resample_filter=torch.ones(1, 1, 4, 4)),
        "resample_filter",
    ),
    "a missing weight": (weights(f"{BLOCK}.conv1", bias=None), "no weight model.enc.8x8_block0.conv1.bias"),
    "a weight too many": (weights(f"{BLOCK}.conv1", other=torch.ones(1)), "conv1.other, which no DDPM++ has"),
    "another shape": (weights(f"{BLOCK}.conv1", bias=torch.ones(3)), "conv1.bias is (3,)"),
    "double precision": (weights(f"{BLOCK}.conv1", bias=torch.ones(8).double()), "torch.float64"),
    "blocks missing": (weights("model.enc.8x8_conv", bias=None), "no weight model.enc.8x8_conv.bias"),
    "levels of other lengths": (
        lambda checkpoint: (
            node_at(checkpoint, "model.enc").__dict__["_modules"].update({"8x8_block9": node_at(checkpoint, BLOCK)})
        ),
        "as many blocks",
    ),
    "no encoder": (lambda checkpoint: node_at(checkpoint, "model").state["_modules"].pop("enc"), "no encoder"),
    "a module that is none": (lambda checkpoint: node_at(checkpoint, "").state["_modules"].update(x=1), "is a int"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_ddpmpp_is_refused_by_name(change, words, tmp_path):
    path = write_edm(tmp_path / "edm.pkl", small_network(), change)
    is_refused(lambda: given_edm.model_of(path, read_edm(path)), str(path), words, "remedy")


# The command


def data_file(path: Path, classes: int = 10, size: int = 8) -> Path:
    images = np.zeros((classes, 3, size, size), np.uint8)
    record = {"classes": [str(label) for label in range(classes)], "source": "test"}
    write_arrays(path, {"images": images, "conditions": np.arange(classes)}, record)
    return path


def test_the_command_writes_a_model_of_classes(tmp_path):
    network, data = small_network(dropout=0.13), data_file(tmp_path / "train")
    source = write_edm(tmp_path / "edm.pkl", network, sigma_data=0.4)
    for folder in ("one", "two"):
        run(given_edm, f"--source {source} --data {data} --model {tmp_path / folder} --fingerprint f")
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()
    record = read_provenance(tmp_path / "one" / WEIGHTS)
    assert (record["stage"], record["fingerprint"], record["sha256"]) == ("base", "f", sha256_of(source))
    assert record["sources"].keys() >= {"EDMPrecond", "SongUNet", "UNetBlock"}
    assert "torch._utils._rebuild_tensor_v2" in record["globals"]
    with safe_open(str(tmp_path / "one" / WEIGHTS), framework="pt") as stream:
        assert set(stream.keys()) == set(network.state_dict())

    model = EDM.load(tmp_path / "one")
    assert (model.condition_count, model.clean_shape, model.settings.sigma_data) == (10, (3, 8, 8), 0.4)
    noisy, labels = torch.randn(4, 3, 8, 8), torch.arange(4)
    for sigma in (0.002, 0.5, 80.0):
        total = sigma**2 + 0.4**2
        with torch.no_grad():
            found = model.denoise(noisy, torch.full((4, 1, 1, 1), sigma), labels)
            inside = network(noisy / total**0.5, torch.full((4,), np.log(sigma) / 4), labels).sample
        expected = 0.4**2 / total * noisy + sigma * 0.4 / total**0.5 * inside
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)

    # It goes on as the network that it is, and stays so when it is saved again.
    assert model.network.train().enc["8x8_block0"].dropout == 0.13
    model.save(tmp_path / "again", {"stage": "test"})
    again = EDM.load(tmp_path / "again")
    assert again.settings == model.settings
    seeds, settings = [3, 4, 5], SamplingSettings(steps=3, kernel_batch=2)
    images = model.sample(seeds, torch.tensor([0, 1, 9]), settings)
    assert torch.equal(images, again.sample(seeds, torch.tensor([0, 1, 9]), settings))
    assert torch.equal(images[2:], model.sample([5], torch.tensor([9]), settings))


@pytest.mark.parametrize(
    ("network", "data", "words"),
    [
        ({}, {"classes": 9}, "has 10 classes, but"),
        ({"num_class_embeds": 0}, {}, "has 0 classes, but"),
        ({}, {"size": 16}, "makes images (3, 8, 8)"),
        ({"in_channels": 1}, {}, "makes images (1, 8, 8)"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused(network, data, words, tmp_path):
    source = write_edm(tmp_path / "edm.pkl", small_network(**network))
    train = data_file(tmp_path / "train", **data)
    options = f"--source {source} --data {train} --model {tmp_path / 'model'}"
    is_refused(lambda: run(given_edm, options), str(source), words)
    assert not (tmp_path / "model").exists()


def test_groups_name_what_the_class_goes_through(tmp_path):
    model = given_edm.model_of(tmp_path, read_edm(write_edm(tmp_path / "edm.pkl", small_network())))
    groups, names = model.groups(), list(dict(model.network.named_parameters()))
    chosen = {name for name in names if groups["condition"](name)}
    assert {name for name in names if groups["all"](name)} == set(names)
    assert chosen == {name for name in names if name.startswith(("map_label", "map_layer")) or ".affine." in name}


def test_a_checkpoint_is_not_changed_by_reading(tmp_path):
    path = write_edm(tmp_path / "edm.pkl", small_network())
    before = path.read_bytes()
    with torch.no_grad():
        for tensor in read_edm(path).tensors.values():
            tensor.zero_()
    assert path.read_bytes() == before
    assert checkpoint_of(small_network())["ema"].kind == "EDMPrecond"
