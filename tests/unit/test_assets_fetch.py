"""Fetching an asset: what is kept, copied, downloaded, refused; against a real server that misbehaves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files, served

from lethe.assets import Asset
from lethe.assets.fetch import fetch
from lethe.errors import LetheError
from lethe.files import read_json
from lethe.settings.assets import AssetSettings

BYTES = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Files]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with served() as files:
        files.contents["/big.bin"] = BYTES
        yield files


def asset_of(server: Files, *paths: str, known: bool = True, **more: object) -> Asset:
    def entry(path: str) -> dict[str, object]:
        entry: dict[str, object] = {"path": path.lstrip("/"), "url": server.url(path)}
        return {**entry, "size": len(server.contents[path]), "sha256": server.sha256(path)} if known else entry

    return Asset(title="Something", licence="MIT", used_by="a test", files=tuple(entry(path) for path in paths), **more)


def settings_in(folder: Path, **more: object) -> AssetSettings:
    return AssetSettings(folder=str(folder / "assets"), **more)


def got(folder: Path, path: str = "big.bin") -> Path:
    return folder / "assets" / "thing" / path


def bring(asset: Asset, folder: Path, **more: object) -> None:
    fetch("thing", asset, settings_in(folder, **more), first_wait=0.01)


def test_downloads_and_writes_a_manifest(server, tmp_path):
    server.contents["/sub/two.txt"] = b"two"
    asset = asset_of(server, "/big.bin", "/sub/two.txt", revision="abc")
    bring(asset, tmp_path)
    assert got(tmp_path).read_bytes() == BYTES
    manifest = read_json(got(tmp_path, "manifest.json"))
    assert manifest == {
        "asset": "thing",
        "title": "Something",
        "licence": "MIT",
        "revision": "abc",
        "files": [
            {
                "path": path,
                "url": server.url(f"/{path}"),
                "size": len(server.contents[f"/{path}"]),
                "sha256": server.sha256(f"/{path}"),
            }
            for path in ("big.bin", "sub/two.txt")
        ],
    }
    before = got(tmp_path, "manifest.json").read_bytes()
    server.requests.clear()
    bring(asset, tmp_path)  # all is in place: nothing is asked for, and the manifest is the same to the byte
    assert server.requests == []
    assert got(tmp_path, "manifest.json").read_bytes() == before


def test_what_was_put_there_by_hand_needs_no_network(server, tmp_path):
    got(tmp_path).parent.mkdir(parents=True)
    got(tmp_path).write_bytes(BYTES)
    bring(asset_of(server, "/big.bin"), tmp_path, offline=True)
    assert server.requests == []
    assert read_json(got(tmp_path, "manifest.json"))["files"][0]["sha256"] == server.sha256("/big.bin")


def test_what_is_wrong_in_place_is_fetched_again(server, tmp_path):
    bring(asset_of(server, "/big.bin"), tmp_path)
    for wrong in (b"short", BYTES[:-1] + b"x"):
        got(tmp_path).write_bytes(wrong)
        bring(asset_of(server, "/big.bin"), tmp_path)
        assert got(tmp_path).read_bytes() == BYTES


def test_copies_from_the_mirror(server, tmp_path):
    mirrored = tmp_path / "mirror/thing/big.bin"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(BYTES)
    bring(asset_of(server, "/big.bin"), tmp_path, mirror=str(tmp_path / "mirror"), offline=True)
    assert got(tmp_path).read_bytes() == BYTES
    assert server.requests == []
    got(tmp_path).unlink()
    mirrored.write_bytes(BYTES[:-1] + b"x")
    with pytest.raises(LetheError, match=r"mirror/thing/big.bin: not the file .*sha256 [0-9a-f]{64}, expected"):
        bring(asset_of(server, "/big.bin"), tmp_path, mirror=str(tmp_path / "mirror"))
    assert not got(tmp_path).exists()


def test_offline_and_missing_is_refused(server, tmp_path):
    with pytest.raises(LetheError, match=r"big.bin: missing or wrong.*offline.*\n  remedy: get http"):
        bring(asset_of(server, "/big.bin"), tmp_path, offline=True)
    assert server.requests == []


@pytest.mark.parametrize("known", [True, False])
def test_goes_on_where_the_connection_dropped(server, tmp_path, known):
    server.faults["/big.bin"] = ["drop 2000000", "drop 1000000"]
    bring(asset_of(server, "/big.bin", known=known), tmp_path)
    assert got(tmp_path).read_bytes() == BYTES
    first, second, third = server.ranges("/big.bin")
    assert first is None
    assert 0 < int(second[6:-1]) <= 2_000_000
    assert int(second[6:-1]) < int(third[6:-1]) <= 3_000_000


def test_a_server_without_ranges_sends_all_of_it_again(server, tmp_path):
    server.with_ranges = False
    server.faults["/big.bin"] = ["drop 3000000", "drop 3000000"]
    bring(asset_of(server, "/big.bin"), tmp_path)
    assert got(tmp_path).read_bytes() == BYTES


def test_a_file_that_changes_between_two_tries_is_not_pieced_together(server, tmp_path):
    other = bytes(reversed(BYTES))

    class Changing(list):
        def pop(self, index: int = -1) -> object:
            server.contents["/big.bin"] = BYTES if len(self) == 2 else other
            return super().pop(index)

    server.faults["/big.bin"] = Changing(["drop 2000000", 503])
    bring(asset_of(server, "/big.bin", known=False), tmp_path)
    assert got(tmp_path).read_bytes() == other


def test_without_a_length_the_end_is_the_end(server, tmp_path):
    server.with_length = False
    bring(asset_of(server, "/big.bin", known=False), tmp_path)
    assert got(tmp_path).read_bytes() == BYTES


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, tmp_path, status):
    server.faults["/big.bin"] = [status, status, status, status]
    bring(asset_of(server, "/big.bin"), tmp_path)
    assert len(server.requests) == 5


def test_retry_after_is_waited_for(server, tmp_path):
    server.faults["/big.bin"] = [(503, {"Retry-After": "1"})]
    started = time.monotonic()
    bring(asset_of(server, "/big.bin"), tmp_path)
    assert time.monotonic() - started >= 1


def test_five_tries_that_bring_nothing_are_enough(server, tmp_path):
    server.faults["/big.bin"] = ["drop 1000000", 503, 503, 503, 503, 503]
    with pytest.raises(LetheError, match=r"big.bin: the server answers 503.*5 tries"):
        bring(asset_of(server, "/big.bin"), tmp_path)
    assert len(server.requests) == 6
    bring(asset_of(server, "/big.bin"), tmp_path)  # what came is gone on with
    assert got(tmp_path).read_bytes() == BYTES
    assert 0 < int(server.ranges("/big.bin")[-1][6:-1]) <= 1_000_000


@pytest.mark.parametrize("status", [404, 403, 401, 410])
def test_a_refusal_is_final(server, tmp_path, status):
    server.faults["/big.bin"] = [status]
    with pytest.raises(LetheError, match=f"big.bin: the server answers {status}"):
        bring(asset_of(server, "/big.bin"), tmp_path)
    assert len(server.requests) == 1


def test_no_server_is_told_by_its_url(server, tmp_path):
    asset = Asset(title="t", licence="l", used_by="u", files=({"path": "a", "url": "http://127.0.0.1:9/a", "size": 3},))
    with pytest.raises(LetheError, match=r"http://127.0.0.1:9/a: the server cannot be reached.*refused"):
        bring(asset, tmp_path)


def test_wrong_bytes_are_removed(server, tmp_path):
    asset = asset_of(server, "/big.bin")
    server.contents["/big.bin"] = BYTES[:-1] + b"x"
    found, expected = server.sha256("/big.bin"), asset.files[0].sha256
    with pytest.raises(LetheError, match=f"thing/big.bin: .*expected {expected}, found {found}; it is removed"):
        bring(asset, tmp_path)
    assert sorted(path.name for path in got(tmp_path).parent.iterdir()) == [".manifest.json.lock"]


def test_a_server_with_another_size_is_refused_before_the_download(server, tmp_path):
    asset = asset_of(server, "/big.bin")
    server.contents["/big.bin"] = BYTES + b"more"
    with pytest.raises(LetheError, match=rf"the server has {len(BYTES) + 4} bytes, the catalogue says {len(BYTES)}"):
        bring(asset, tmp_path)


def test_what_came_first_is_trusted_and_nothing_else(server, tmp_path):
    asset = asset_of(server, "/big.bin", known=False)
    bring(asset, tmp_path)
    got(tmp_path).unlink()
    server.contents["/big.bin"] = b"something else"
    with pytest.raises(LetheError, match=f"expected {hashlib.sha256(BYTES).hexdigest()}, found"):
        bring(asset, tmp_path)


def test_no_room_is_told_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(LetheError, match=r"thing needs 5.12 MB, and 1 MB are free"):
        bring(asset_of(server, "/big.bin"), tmp_path)
    with pytest.raises(LetheError, match=r"big.bin from .* needs 5.12 MB, and 1 MB are free"):
        bring(asset_of(server, "/big.bin", known=False), tmp_path)


def test_a_gated_file_needs_a_token(server, tmp_path, monkeypatch):
    path = "/gated/model/resolve/abc/big.bin"
    server.contents[path], server.secret = BYTES, "hf_x"
    url = f"https://huggingface.co{path}"
    asset = Asset(
        title="t", licence="l", used_by="u", gated=True, files=({"path": "big.bin", "url": url, "size": len(BYTES)},)
    )
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    with pytest.raises(LetheError, match=r"accept its terms at https://huggingface.co/gated/model, .*HF_TOKEN"):
        bring(asset, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    bring(asset, tmp_path)
    assert got(tmp_path).read_bytes() == BYTES


def test_the_token_goes_to_no_other_host_and_the_hubs_checksum_is_kept(server, tmp_path, monkeypatch):
    with served() as store:
        store.contents["/blob"] = BYTES
        path = "/gated/model/resolve/abc/big.bin"
        server.secret = "hf_x"
        server.contents[path] = b""
        server.redirections[path] = (store.url("/blob"), {"X-Linked-ETag": f'"{store.sha256("/blob")}"'})
        url = f"https://huggingface.co{path}"
        asset = Asset(title="t", licence="l", used_by="u", gated=True, files=({"path": "big.bin", "url": url},))
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", "hf_x")
        bring(asset, tmp_path)
        assert got(tmp_path).read_bytes() == BYTES
        assert "Authorization" not in store.requests[0][1]
        got(tmp_path).unlink()
        got(tmp_path, "manifest.json").unlink()
        store.contents["/blob"] = b"broken on the way"
        with pytest.raises(LetheError, match=f"expected {hashlib.sha256(BYTES).hexdigest()}"):
            bring(asset, tmp_path)


def command(tmp_path: Path, server: Files, asset: Asset) -> subprocess.Popen[str]:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(json.dumps({"thing": json.loads(asset.model_dump_json())}))
    words = [sys.executable, "-m", "lethe.assets", "thing", "--folder", str(tmp_path / "assets")]
    return subprocess.Popen(
        [*words, "--catalogue", str(catalogue)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("with_ranges", [True, False])
def test_a_kill_loses_nothing_that_came(server, tmp_path, with_ranges):
    server.with_ranges = with_ranges
    server.faults["/big.bin"] = ["slow"]
    asset = asset_of(server, "/big.bin")
    process = command(tmp_path, server, asset)
    part = got(tmp_path, ".big.bin.part")
    while not (part.exists() and part.stat().st_size > 1_000_000):
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not got(tmp_path).exists()
    left = part.stat().st_size
    done = command(tmp_path, server, asset)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 0, errors
    assert got(tmp_path).read_bytes() == BYTES
    assert server.ranges("/big.bin") == [None, f"bytes={left}-"]
    assert not part.exists()


def test_a_part_that_is_whole_but_unchecked_is_checked_and_kept(server, tmp_path):
    got(tmp_path).parent.mkdir(parents=True)
    for asset in (asset_of(server, "/big.bin"), asset_of(server, "/big.bin", known=False, revision="abc")):
        got(tmp_path, ".big.bin.part").write_bytes(BYTES)
        bring(asset, tmp_path)
        assert got(tmp_path).read_bytes() == BYTES
        got(tmp_path).unlink()
        got(tmp_path, "manifest.json").unlink()
    assert server.ranges("/big.bin") == [f"bytes={len(BYTES)}-"]  # asked only where the catalogue does not know


def test_a_part_of_nobody_knows_what_is_not_gone_on_with(server, tmp_path):
    got(tmp_path).parent.mkdir(parents=True)
    got(tmp_path, ".big.bin.part").write_bytes(b"of another version")
    bring(asset_of(server, "/big.bin", known=False), tmp_path)
    assert got(tmp_path).read_bytes() == BYTES
    assert server.ranges("/big.bin") == [None]


def test_two_at_once_download_once(server, tmp_path):
    server.faults["/big.bin"] = ["slow"]
    asset = asset_of(server, "/big.bin")
    threads = [threading.Thread(target=bring, args=(asset, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got(tmp_path).read_bytes() == BYTES
    assert len(server.requests) == 1


def test_the_command_tells_an_unknown_name(server, tmp_path):
    words = [sys.executable, "-m", "lethe.assets", "cifar01", "--folder", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 2
    assert "did you mean 'cifar10'?" in done.stderr
