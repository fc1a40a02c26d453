"""What cards really do in a second. Each number has its source in docs/cost.md."""

from __future__ import annotations

from typing import NamedTuple


class Card(NamedTuple):
    """FLOP/s that the networks here reach in ``float32`` (without TF32), ``tf32`` and ``bfloat16``; ``memory`` in
    bytes, None for a CPU; ``start``: seconds of a job before its network is first called (Python, libraries, reading
    weights)."""

    title: str
    float32: float
    tf32: float
    bfloat16: float
    memory: float | None
    start: float

    def sustained(self, precision: str) -> float:
        return {"float32": self.float32, "tf32": self.tf32, "bfloat16": self.bfloat16}[precision]


_TENSOR, _PLAIN = 120 / 312, 0.6
"""The share of its tensor cores' peak that an A100 is measured to reach with Stable Diffusion in half precision; and,
of the peak without them, an assumption."""

CARDS = {
    "a100": Card("NVIDIA A100, 80 GB", _PLAIN * 19.5e12, _TENSOR * 156e12, 120e12, 80e9, 10),
    "h100": Card("NVIDIA H100 SXM, 80 GB", _PLAIN * 67e12, _TENSOR * 494e12, _TENSOR * 989e12, 80e9, 10),
    "h200": Card("NVIDIA H200, 141 GB", _PLAIN * 67e12, _TENSOR * 494e12, _TENSOR * 989e12, 141e9, 10),
    # Its tensor cores are no faster in TF32 than the others in float32.
    "rtx4090": Card("NVIDIA RTX 4090, 24 GB", _PLAIN * 82.6e12, _PLAIN * 82.6e12, 99e12, 24e9, 10),
    "cpu": Card("one core of an AMD EPYC (Zen 5)", 50e9, 50e9, 50e9, None, 2),
}
"""By the name that the command takes."""
