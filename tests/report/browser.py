"""A headless Chromium, driven by its DevTools protocol over two pipes: no library, no port."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium takes its commands from file descriptor 3 and answers on 4.
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_KEYS = {"Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Enter": 13, " ": 32}


def program() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One page. ``errors`` are the messages of its console that are errors, and its exceptions."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        self.errors: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next(30)
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    def wait_for(self, event: str, seconds: float = 20) -> None:
        while not any(message["method"] == event for message in self._events):
            self._note(self._next(seconds))
        self._events = [message for message in self._events if message["method"] != event]

    def open(self, path: Path, fragment: str = "") -> float:
        """Go to a file; the seconds until it is loaded, and has answered a question."""
        self.send("Page.navigate", url="about:blank")  # else a change of the fragment alone loads nothing
        self.wait_for("Page.loadEventFired")
        begun = time.perf_counter()
        self.send("Page.navigate", url=path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        self.wait_for("Page.loadEventFired")
        self.run("document.body.offsetHeight")
        return time.perf_counter() - begun

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{script}: {done['exceptionDetails'].get('exception', {}).get('description')}")
        return done["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            code = {"key": key, "windowsVirtualKeyCode": _KEYS[key], "code": "Space" if key == " " else key}
            text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **text)
            self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def drawn(self) -> None:
        """Wait until what has changed or scrolled is on the screen, where the pointer meets it."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))")

    def point_at(self, selector: str) -> None:
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        self.drawn()
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def size(self, width: int, height: int, is_phone: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if is_phone else 1,
            mobile=is_phone,
        )

    def colours(self, scheme: str) -> None:
        """``light`` or ``dark``, as the system would say."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def _next(self, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium said nothing for {seconds} s")
            got = os.read(self._answers, 1 << 20)
            if not got:
                raise ConnectionError("Chromium has ended")
            self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        event, told = message.get("method"), message.get("params", {})
        if event == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str([part.get("value") for part in told["args"]]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent" and told["request"]["url"].startswith(("http", "ws")):
            self.errors.append(f"asks the network for {told['request']['url']}")
        elif event:
            self._events.append(message)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A page in a Chromium of its own, whose profile is the folder ``profile``."""
    here, there = os.pipe(), os.pipe()
    # High numbers: 3 and 4 must be free for what Chromium reads and writes.
    reads, writes = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (here[0], there[1]))
    options = [
        *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"),
        f"--user-data-dir={profile}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(reads), str(writes), str(program()), *options],
        pass_fds=(reads, writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (here[0], there[1], reads, writes):
        os.close(end)
    try:
        yield Page(here[1], there[0])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(here[1])
        os.close(there[0])
