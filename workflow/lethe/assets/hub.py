"""What is special about files of the Hugging Face hub: another address of it, gated ones, checksums it announces."""

from __future__ import annotations

import os
import re
import urllib.parse
import urllib.request
from typing import Any

HUB = "https://huggingface.co"


def on_hub(url: str) -> str:
    """``url``, with the hub's address replaced by HF_ENDPOINT where the user has one."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return url.replace(HUB, endpoint, 1) if endpoint and url.startswith(f"{HUB}/") else url


def page_of(url: str) -> str:
    """The page of the model or data set that a file of the hub belongs to: where its terms are accepted."""
    return url.split("/resolve/")[0]


def token() -> str | None:
    """The user's: of HF_TOKEN, or of `hf auth login`."""
    from huggingface_hub import get_token

    return get_token()


def gate_message(page: str) -> str:
    """What to do about a gated file."""
    return f"accept its terms at {page}, make a token at {HUB}/settings/tokens, and set HF_TOKEN to it"


def authorise(request: urllib.request.Request) -> None:
    """Send the user's token, if there is one, to this host alone."""
    if secret := token():
        request.add_unredirected_header("Authorization", f"Bearer {secret}")


class Redirections(urllib.request.HTTPRedirectHandler):
    """Follows redirections; a token goes to the host it was meant for and no other. ``sha256``: what the hub said on
    the way of a large file's bytes."""

    sha256: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        announced = headers.get("X-Linked-ETag", "").strip('"')
        if re.fullmatch("[0-9a-f]{64}", announced):
            self.sha256 = announced
        secret = req.unredirected_hdrs.get("Authorization")
        if following is not None and secret is not None and _host(following.full_url) == _host(req.full_url):
            following.add_unredirected_header("Authorization", secret)
        return following


def _host(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc
