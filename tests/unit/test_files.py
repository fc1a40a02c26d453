"""Files are written whole or not at all, and come back as they were."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lethe.errors import LetheError
from lethe.files import (
    copy_file,
    order_metadata,
    read_arrays,
    read_json,
    read_provenance,
    sha256_of,
    write_arrays,
    write_json,
    write_rows,
    write_text,
    written_whole,
)


def test_a_file_appears_whole_in_a_folder_made_for_it(tmp_path):
    with written_whole(tmp_path / "deep" / "down" / "file.txt") as temporary:
        temporary.write_text("text")
        assert not (tmp_path / "deep/down/file.txt").exists()
    assert [path.name for path in (tmp_path / "deep/down").iterdir()] == ["file.txt"]
    assert (tmp_path / "deep/down/file.txt").read_text() == "text"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_a_kill_left_behind_goes_with_the_next_try(tmp_path):
    program = """
import os, sys
from lethe.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("half of a longer text")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], check=False)
    assert not (tmp_path / "file").exists()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "file", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "whole"


def test_a_job_that_the_scheduler_ends_leaves_no_temporary_file(tmp_path):
    program = """
import argparse, sys, time
from lethe.cli import command
from lethe.files import written_whole

def main(arguments):
    with written_whole(sys.argv[1]) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(60)

command(argparse.ArgumentParser(), main, [])
"""
    words = [sys.executable, "-c", program, str(tmp_path / "result")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "value", [{"b": [1, 2.5, None, True], "a": {"nested": "é\n"}}, [], "text", 0.1 + 0.2], ids=repr
)
def test_json_comes_back(tmp_path, value):
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value


def test_equal_json_has_equal_bytes(tmp_path):
    write_json(tmp_path / "one.json", {"a": 1, "b": 2})
    write_json(tmp_path / "two.json", {"b": 2, "a": 1})
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_json_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(LetheError, match=r"absent\.json"):
        read_json(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text('{"a": 1')
    with pytest.raises(LetheError, match=r"broken\.json"):
        read_json(tmp_path / "broken.json")


def test_rows_come_back_with_commas_quotes_and_newlines(tmp_path):
    rows = [{"name": 'a "quoted", comma', "value": "1"}, {"name": "two\nlines", "value": ""}]
    write_rows(tmp_path / "rows.csv", ["name", "value"], rows)
    with (tmp_path / "rows.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == rows


def test_a_row_with_a_column_too_many_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="extra"):
        write_rows(tmp_path / "rows.csv", ["name"], [{"name": "a"}, {"name": "b", "extra": 1}])
    assert list(tmp_path.iterdir()) == []


ARRAYS = {
    "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
    "every other": np.arange(10, dtype=np.float32)[::2],
    "double": np.array([0.1, np.nan, -np.inf]),
    "one number": np.array(2.5, dtype=np.float32),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "flags": np.array([True, False]),
}


def test_arrays_come_back_with_their_provenance(tmp_path):
    provenance = {"stage": "test", "settings": {"steps": 3, "none": None}}
    write_arrays(tmp_path / "arrays.safetensors", ARRAYS, provenance)
    arrays, record = read_arrays(tmp_path / "arrays.safetensors")
    assert record == provenance == read_provenance(tmp_path / "arrays.safetensors")
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(arrays[name], array)


def test_arrays_are_readable_by_any_reader_of_safetensors(tmp_path):
    write_arrays(tmp_path / "arrays.safetensors", ARRAYS, {})
    np.testing.assert_array_equal(load_file(tmp_path / "arrays.safetensors")["transposed"], ARRAYS["transposed"])


@pytest.mark.parametrize("read", [read_arrays, read_provenance])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "a folder"])
def test_arrays_that_cannot_be_read_are_named(tmp_path, read, damage):
    path = tmp_path / "arrays.safetensors"
    write_arrays(path, ARRAYS, {})
    whole = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "cut": whole[:-1], "text": b"not safetensors at all"}[damage])
    with pytest.raises(LetheError, match=r"arrays\.safetensors"):
        read(path)


def test_weights_with_equal_metadata_have_equal_bytes(tmp_path):
    metadata = {"lethe": '{"name": "é \\" \\n"}', "format": "pt", "another": "\n\t\x01 ü"}
    tensors = {"b": torch.arange(3), "a": torch.ones(2, 2)}
    for number in range(20):
        save_file(tensors, tmp_path / str(number), metadata=metadata)
        order_metadata(tmp_path / str(number))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    with safe_open(tmp_path / "0", framework="pt") as stream:
        assert stream.metadata() == metadata
        assert all(torch.equal(stream.get_tensor(name), tensor) for name, tensor in tensors.items())


def test_the_hash_is_that_of_the_bytes(tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_files_need_no_torch():
    program = "import sys, lethe.files, lethe.errors, lethe.image_plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_files_can_be_read_by_whom_the_umask_allows(tmp_path):
    write_arrays(tmp_path / "a.safetensors", {"x": np.zeros(1)}, {})
    write_text(tmp_path / "a.txt", "x")
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    plain = tmp_path / "plain"
    plain.touch()
    assert modes == {plain.stat().st_mode & 0o777}


@pytest.mark.parametrize("steps", [None, 0, 1, 3])
def test_a_copy_has_the_same_bytes_however_far_the_file_system_helps(tmp_path, monkeypatch, steps):
    """It may refuse at once, or after some of the bytes."""
    content = np.random.default_rng(0).bytes(300_001)
    (tmp_path / "given").write_bytes(content)
    (tmp_path / "made").write_bytes(b"what was there before")
    if steps is not None:
        asked = []

        def helps_a_little(source: int, destination: int, count: int) -> int:
            asked.append(count)
            if len(asked) > steps:
                raise OSError(errno.EXDEV, "not between these")
            return os.write(destination, os.read(source, 70_000))

        monkeypatch.setattr(os, "copy_file_range", helps_a_little, raising=False)
    copy_file(tmp_path / "given", tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == content
    (tmp_path / "made").write_bytes(b"changed")
    assert (tmp_path / "given").read_bytes() == content
