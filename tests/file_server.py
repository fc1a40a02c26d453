"""A real HTTP server on this machine that misbehaves as it is told to, for tests of downloads."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What is served. ``faults`` are, by path, what the next requests meet: a status (with headers), or "drop N": the
    connection closes after N bytes, or "slow": a few bytes and then a pause for each."""

    contents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str | tuple[int, dict[str, str]]]] = field(default_factory=dict)
    redirections: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    secret: str | None = None  # what must be in Authorization for paths under /gated/
    with_ranges: bool = True
    with_length: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def sha256(self, path: str) -> str:
        return hashlib.sha256(self.contents[path]).hexdigest()

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of each request for ``path``."""
        return [headers.get("Range") for asked, headers in self.requests if asked == path]


@contextmanager
def served() -> Iterator[Files]:
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            path = self.path
            files.requests.append((path, dict(self.headers.items())))
            if path.startswith("/gated/") and self.headers.get("Authorization") != f"Bearer {files.secret}":
                return self.refuse(401)
            if path in files.redirections:
                target, headers = files.redirections[path]
                return self.refuse(302, {"Location": target, **headers})
            if path not in files.contents:
                return self.refuse(404)
            fault = files.faults[path].pop(0) if files.faults.get(path) else None
            if isinstance(fault, int):
                return self.refuse(fault)
            if isinstance(fault, tuple):
                return self.refuse(*fault)
            whole = files.contents[path]
            start = 0
            etag = f'"{hashlib.md5(whole).hexdigest()}"'
            asked = self.headers.get("Range")
            if asked and files.with_ranges and self.headers.get("If-Range", etag) == etag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(whole):
                    return self.refuse(416, {"Content-Range": f"bytes */{len(whole)}"})
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            else:
                self.send_response(200)
            self.send_header("ETag", etag)
            if files.with_length:
                self.send_header("Content-Length", str(len(whole) - start))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            body = whole[start:]
            if isinstance(fault, str) and fault.startswith("drop"):
                self.wfile.write(body[: int(fault.split()[1])])
                self.close_connection = True
            elif fault == "slow":
                for place in range(0, len(body), 1 << 16):
                    self.wfile.write(body[place : place + (1 << 16)])
                    self.wfile.flush()
                    time.sleep(0.02)
            else:
                self.wfile.write(body)
                self.close_connection = not files.with_length
            return None

        def handle(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # the client was killed
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    files.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
