"""What all settings share: unknown keys are refused, values are immutable."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of every group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def is_given(settings: Any) -> Literal["given", "trained"]:
    """Whether a base or a judge, its settings checked or as written, is given or trained here."""
    has_one = "given" in settings if isinstance(settings, dict) else hasattr(settings, "given")
    return "given" if has_one else "trained"
