"""One file over the network: streamed, resumed, checked. What already came survives a kill, in ``.NAME.part``."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import http.client
import os
import random
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lethe.assets.catalogue import AssetFile
from lethe.assets.hub import HUB, Redirections, authorise, gate_message, on_hub, page_of
from lethe.assets.space import check_space
from lethe.errors import LetheError
from lethe.files import temporary_beside

TRIES = 5
"""Tries in a row that bring nothing new, before a download is given up."""
CHUNK = 1 << 20
SECONDS = 60.0
"""Longest silence of a server."""
LONGEST_WAIT = 600.0
"""Between two tries, also where a server asks for more."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class PassingError(Exception):
    """A fault of the network or the server that may pass. ``wait`` are the seconds that the server asks for."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


def download(file: AssetFile, place: Path, gated: bool, resumable: bool, first_wait: float = 1.0) -> str:
    """Bring ``file`` to ``place``; its sha256.

    ``gated``: the user's token of the hub is sent. ``resumable``: an earlier run's part is gone on with; else it is
    thrown away, since nothing could tell at the end whether the two belong together. ``first_wait`` seconds lie between
    the first two tries, twice as many between the next two.
    """
    part = temporary_beside(place)
    part.parent.mkdir(parents=True, exist_ok=True)
    if not resumable:
        part.unlink(missing_ok=True)
    with tqdm(total=file.size, unit="B", unit_scale=True, desc=file.path, disable=None) as bar:
        transfer = _Transfer(file, part, gated, bar)
        fruitless, reached = 0, _size(part)
        while True:
            try:
                transfer.go_on()
                break
            except PassingError as fault:
                fruitless = 0 if _size(part) > reached else fruitless + 1
                reached = max(reached, _size(part))
                if fruitless == TRIES:
                    raise LetheError(
                        f"{file.url}: {fault} ({TRIES} tries that brought nothing new)",
                        f"run the same command again, what came is kept; or put the file at {place} by hand",
                    ) from None
                backoff = min(first_wait * 2 ** max(0, fruitless - 1), 60.0) * random.uniform(0.5, 1.5)
                time.sleep(min(max(fault.wait or 0.0, backoff), LONGEST_WAIT))
    found, expected = transfer.digest.hexdigest(), file.sha256 or transfer.announced
    if expected is not None and found != expected:
        part.unlink()
        raise LetheError(
            f"{place}: what {file.url} gave has the wrong sha256; expected {expected}, found {found}; it is removed",
            "run the same command again; if the sum stays the same, the publisher changed the file: name it by a path",
        )
    part.replace(place)
    return found


class _Transfer:
    """The tries of one download: the file's part, its hash so far, and what the server said of it."""

    def __init__(self, file: AssetFile, part: Path, gated: bool, bar: Any) -> None:
        self.file, self.part, self.gated, self.bar = file, part, gated, bar
        self.digest, self.hashed = hashlib.sha256(), 0
        self.version: str | None = None  # the server's name for these bytes, of an earlier try
        self.announced: str | None = None  # the sha256 that the hub announces

    def go_on(self) -> None:
        """Take what is missing; return when all is there, raise PassingError when it is not."""
        have = self._take_up()
        if self.file.size is not None and have == self.file.size:
            return
        response = self._ask(have)
        if response is None:  # all of it came before a kill
            return
        with response:
            if response.status != 206:  # the whole file, although we may have asked for less
                have = self._start_over()
            self.version = response.headers.get("ETag")
            total = self._total(response, have)
            check_space(self.part.parent, (total or have) - have, f"{self.file.path} from {self.file.url}")
            with self.part.open("ab") as stream:
                for chunk in _chunks(response):
                    stream.write(chunk)
                    self._count(chunk)
            if total is not None and self.hashed < total:
                raise PassingError(f"the connection closed after {self.hashed} of {total} bytes")

    def _take_up(self) -> int:
        """Bytes that are there, all of them in the hash."""
        if _size(self.part) != self.hashed:
            size = _size(self.part)
            self._reset()
            if self.file.size is not None and size > self.file.size:
                self.part.unlink()
            elif size:
                with self.part.open("rb") as stream:
                    while chunk := stream.read(CHUNK):
                        self._count(chunk)
        return self.hashed

    def _start_over(self) -> int:
        self.part.unlink(missing_ok=True)
        self._reset()
        return 0

    def _reset(self) -> None:
        self.digest, self.hashed = hashlib.sha256(), 0
        self.bar.reset(total=self.file.size)

    def _count(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.hashed += len(chunk)
        self.bar.update(len(chunk))

    def _ask(self, have: int) -> Any:
        """The server's answer to a request for what lies beyond ``have`` bytes; None where nothing does."""
        request = urllib.request.Request(on_hub(self.file.url), headers={"User-Agent": "lethe"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if self.version and not self.version.startswith("W/"):
                request.add_header("If-Range", self.version)
        if self.gated:
            authorise(request)
        redirections = Redirections()
        try:
            response = urllib.request.build_opener(redirections).open(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and have:
                    if error.headers.get("Content-Range") == f"bytes */{have}":
                        return None
                    self._start_over()
                    raise PassingError(
                        f"the server has no more than the {have} bytes that came; starting over"
                    ) from None
                raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise _network_fault(self.file.url, error) from None
        self.announced = redirections.sha256
        return response

    def _total(self, response: Any, have: int) -> int | None:
        """Bytes of the whole file as the server tells; it must be the catalogue's."""
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None and length.isdecimal() else None
        if response.status == 206:
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if start is None or int(start[1]) != have:
                self._start_over()
                raise PassingError("the server sent another part than was asked for")
        if self.file.size is not None and total is not None and total != self.file.size:
            self.part.unlink(missing_ok=True)
            raise LetheError(
                f"{self.file.url}: the server has {total} bytes, the catalogue says {self.file.size}",
                "the publisher changed the file, or something between here and there answers instead: get it by hand "
                "and name it by its path",
            )
        return total

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        url, code = self.file.url, error.code
        if code in _PASSING:
            return PassingError(f"the server answers {code} {error.reason}", _seconds(error.headers.get("Retry-After")))
        if code in (401, 403):
            remedy = "see in a browser whether its publisher asks for anything, or get it by hand"
            if url.startswith(f"{HUB}/"):
                remedy = gate_message(page_of(url)) + ("" if self.gated else "; and mark it as gated in the catalogue")
            return LetheError(f"{url}: the server answers {code} {error.reason}", remedy)
        return LetheError(
            f"{url}: the server answers {code} {error.reason}",
            "correct the url in the catalogue, or get the file by hand and name it by its path",
        )


def _chunks(response: Any) -> Iterator[bytes]:
    """What the server sends; a fault of the network raises PassingError."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(f"the connection broke ({error or type(error).__name__})") from None
        if not chunk:
            return
        yield chunk


def _network_fault(url: str, error: Exception) -> Exception:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return LetheError(
            f"{url}: the server's certificate is not trusted ({reason.verify_message})",
            "name your organisation's certificates in SSL_CERT_FILE",
        )
    return PassingError(f"the server cannot be reached ({reason or type(error).__name__})")


def _seconds(text: str | None) -> float | None:
    """What Retry-After says: seconds, or a date."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _size(path: Path) -> int:
    return os.path.getsize(path) if path.exists() else 0
