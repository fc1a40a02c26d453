"""Pickled batches and torch's files are read as they were written; nothing that they ask for is run."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import Called, call, does_harm, global_, harmless, is_refused, text, values

from lethe.unpickling.batches import read_batch
from lethe.unpickling.torch_files import read_torch_file

NAMES = list(values(Path("sentinel")))


# Batches


@pytest.mark.parametrize("protocol", range(6))
def test_a_batch_is_read_in_every_protocol(protocol):
    data = np.random.default_rng(0).integers(0, 256, (4, 12), dtype=np.uint8)
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    written = {b"data": data, "labels": [3, 1], b"filenames": ["a.png", b"b.png"], "columns": columns, "none": None}
    read = read_batch(pickle.dumps(written, protocol=protocol), "batch")
    assert list(read) == ["data", "labels", "filenames", "columns", "none"]
    assert read["data"].dtype == np.uint8
    np.testing.assert_array_equal(read["data"], data)
    np.testing.assert_array_equal(read["columns"], columns)
    assert (read["labels"], read["filenames"], read["none"]) == ([3, 1], ["a.png", b"b.png"], None)


def of_python_2(data: bytes, rows: int) -> bytes:
    """A batch as cPickle of Python 2 wrote CIFAR's: protocol 2, keys and raw data as its byte strings."""

    def string(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    dtype = call(global_("numpy", "dtype"), string(b"u1"), b"K\x00", b"K\x01")
    dtype += b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = call(
        global_("numpy.core.multiarray", "_reconstruct"), global_("numpy", "ndarray"), b"(K\x00t", string(b"b")
    )
    shape = b"(K" + bytes([rows]) + b"K" + bytes([len(data) // rows]) + b"t"
    array += b"(K\x01" + shape + dtype + b"I00\n" + string(data) + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([row % 10]) for row in range(rows)) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + labels + b"u."


def test_a_batch_of_python_2_is_read():
    data = bytes(range(256))  # every byte, those above 127 too
    pickled = of_python_2(data, 2)
    expected = pickle.loads(pickled, encoding="bytes")
    read = read_batch(io.BytesIO(pickled), "batch")
    np.testing.assert_array_equal(read["data"], expected[b"data"])
    assert read["data"].tobytes() == data
    assert read["labels"] == expected[b"labels"] == [0, 1]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_batch_is_run(name, tmp_path):
    sentinel = tmp_path / "sentinel"
    value = values(sentinel)[name]
    with harmless(sentinel):
        message = is_refused(lambda: read_batch(b"\x80\x04}(" + text("data") + value + b"u.", "batch"), "batch: ")
    if name.startswith("os.system"):
        assert "os.system" in message


def test_the_hostile_pickles_are_real(tmp_path):
    sentinel = tmp_path / "sentinel"
    for name in ("os.system by GLOBAL", "os.system by STACK_GLOBAL", "eval by GLOBAL", "INST", "OBJ"):
        assert does_harm(b"\x80\x04" + values(sentinel)[name] + b".", sentinel), name


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (pickle.dumps([1]), "list, not a dictionary"),
        (pickle.dumps({1: 2}), "a key is 1"),
        (pickle.dumps({"a": np.array([None])}), "'O8'"),
        (pickle.dumps({"a": np.array(["text"])}), "'U4'"),
        (pickle.dumps({"a": np.arange(3, dtype=">i4")}), "byte order"),
        (pickle.dumps({"a": {1, 2, 3j}}), "complex"),
        (pickle.dumps({"a": np.arange(300)})[:-100], "not a readable pickle"),
        (pickle.dumps({"a": 1}) + b"x", "bytes behind its end"),
        (b"", "not a readable pickle"),
        (b"\x80\x02}(" + text("a") + b"Pid\nu.", "persistent id"),
        (b"\x80\x02}q\x00" + text("a") + b"h\x00s.", "contains itself"),
        (of_python_2(b"12345678", 2).replace(b"(K\x02K\x04t", b"(K\x02K\x05t"), "(2, 5)"),
        (of_python_2(b"12345678", 2).replace(b"(K\x02K\x04t", b"(K\x02J\xfe\xff\xff\xfft"), "shape"),
    ],
)
def test_a_broken_batch_is_refused(pickled, words):
    is_refused(lambda: read_batch(pickled, "batch"), "batch: ", words)


def test_a_small_batch_cannot_become_large():
    doubled: list = []
    for _ in range(60):
        doubled = [doubled, doubled]
    assert len(read_batch(pickle.dumps({"a": doubled}), "batch")["a"]) == 2


# torch's files


class ModelCheckpoint:
    """A trainer's object in a checkpoint, as pytorch_lightning leaves them."""

    def __init__(self) -> None:
        self.best = torch.ones(2)


def content() -> dict:
    table = torch.arange(12.0).reshape(3, 4)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    return {
        "state_dict": network.state_dict(),
        "transposed": table.t(),
        "part": table[1:, 2:],
        "half": torch.ones(3).half(),
        "bfloat": torch.full((2,), 3.5).bfloat16(),
        "parameter": torch.nn.Parameter(table * 2),
        "empty": torch.empty(0, 3),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(4),
        "expanded": torch.arange(5).expand(1, 5),
        "epoch": 3,
        "loss": np.float64(0.25),
        "callbacks": {ModelCheckpoint: ModelCheckpoint(), "best": Path("a/b")},
        "hyper": argparse.Namespace(rate=1),
        "sizes": [torch.Size([1, 2]), "text", b"bytes", None, (1, 2)],
    }


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "stream"])
def test_tensors_are_read_and_other_objects_left_out(tmp_path, as_zip):
    written, path = content(), tmp_path / "x.ckpt"
    torch.save(written, path, _use_new_zipfile_serialization=as_zip)
    read = read_torch_file(path)
    for name, value in written.items():
        if isinstance(value, torch.Tensor):
            assert read[name].dtype == value.dtype
            assert read[name].stride() == value.stride()
            assert torch.equal(read[name], value), name
    assert list(read["state_dict"]) == list(written["state_dict"])
    assert all(torch.equal(read["state_dict"][name], value) for name, value in written["state_dict"].items())
    assert (read["epoch"], read["loss"], read["callbacks"]) == (3, 0.25, {})
    assert read["sizes"] == ["text", b"bytes", None, [1, 2]]
    assert "hyper" not in read

    # Views of one storage stay so; what is written to them does not reach the file.
    before = path.read_bytes()
    read["transposed"][3, 2] = 99
    assert read["part"][1, 1] == 99
    assert path.read_bytes() == before


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_file_of_torch_is_run(name, as_zip, tmp_path):
    sentinel, path = tmp_path / "sentinel", tmp_path / "x.pt"
    value = b"\x80\x02}(" + text("weight") + values(sentinel)[name] + b"u."
    torch.save({"weight": torch.ones(3)}, path, _use_new_zipfile_serialization=as_zip)
    if as_zip:
        put(path, "x/data.pkl", value)
        zipfile.ZipFile(path).close()  # imports the encoding of its entries' names
    else:  # in the place of the fourth pickle
        stream = io.BytesIO(path.read_bytes())
        for _ in range(3):
            pickle.Unpickler(stream).load()
        path.write_bytes(stream.getvalue()[: stream.tell()] + value + pickle.dumps([]))
    with harmless(sentinel):
        if name == "a dotted name of numpy":  # of no class that runs things: made inert, and left out
            assert read_torch_file(path) == {}
        else:
            is_refused(lambda: read_torch_file(path), str(path))


def put(path: Path, entry: str, value: bytes | None, compression: int = zipfile.ZIP_STORED) -> None:
    """Replace an entry of an archive; None removes it."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries[entry] = value
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, kept in entries.items():
            if kept is not None:
                archive.writestr(name, kept)


def test_a_call_that_torch_would_make_is_refused(tmp_path):
    sentinel, path = tmp_path / "sentinel", tmp_path / "x.pt"
    blob = io.BytesIO()
    torch.save(Called(sentinel.touch), blob)
    torch.save({"a": Called(torch.storage._load_from_bytes, blob.getvalue())}, path)
    with harmless(sentinel):
        is_refused(lambda: read_torch_file(path), "torch.storage._load_from_bytes")
    torch.load(path, weights_only=False)
    assert sentinel.exists()


DAMAGES = {
    "no storage": lambda path: put(path, "x/data/0", None),
    "a short storage": lambda path: put(path, "x/data/0", b"\0" * 8),
    "no pickle": lambda path: put(path, "x/data.pkl", None),
    "two pickles": lambda path: put(path, "y/data.pkl", b"\x80\x02}."),
    "big-endian": lambda path: put(path, "x/byteorder", b"big"),
    "compressed": lambda path: put(path, "x/version", b"3\n", zipfile.ZIP_DEFLATED),
    "not a dictionary": lambda path: torch.save(torch.ones(3), path),
    "trailing bytes": lambda path: put(path, "x/data.pkl", b"\x80\x02}.x"),
    "cut archive": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "cut pickle": lambda path: put(path, "x/data.pkl", b"\x80\x02}("),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>not found</html>"),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_broken_file_of_torch_is_refused_by_name(damage, tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"weight": torch.ones(3)}, path)
    damage(path)
    is_refused(lambda: read_torch_file(path), str(path), "remedy")


@pytest.mark.parametrize("where", ["end", "count", "storage"])
def test_a_broken_stream_is_refused_by_name(where, tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"weight": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    count = (3).to_bytes(8, "little")
    changed = {
        "end": whole + b"x",
        "count": whole.replace(count, (2**40).to_bytes(8, "little")),
        "storage": whole[:-1],
    }[where]
    path.write_bytes(changed)
    is_refused(lambda: read_torch_file(path), str(path))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        *[(0, (4,), (1,)), (1, (3,), (1,)), (0, (2,), (3,)), (0, (2**40,), (0,)), (-1, (1,), (1,)), (0, (-1,), (1,))],
        *[(0, (2,), (-1,)), (0, (1.0,), (1,)), (0, (2, 2), (1,)), (0, (2**62, 4), (0, 0)), (True, (1,), (1,))],
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(offset, size, stride, tmp_path):
    path = tmp_path / "x.pt"
    tensor = torch.ones(3)
    make, arguments, *_ = tensor.__reduce_ex__(2)
    described = (make, (arguments[0], offset, size, stride, *arguments[4:]))

    class Crooked:
        def __reduce__(self):
            return described

    torch.save({"weight": Crooked()}, path)
    is_refused(lambda: read_torch_file(path), str(path))
