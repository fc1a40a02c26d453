"""In which numbers a network is run."""

from __future__ import annotations

from typing import Literal

Precision = Literal["float32", "bfloat16"]
"""float32 throughout, or bfloat16 for the products inside the network (autocast), its weights staying float32."""
