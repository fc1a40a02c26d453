"""Reading a preset outside Snakemake: by its name, or from config files laid over one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lethe.config import Config, load_config
from lethe.errors import LetheError, nearest

_TOP = Path(__file__).resolve().parents[3]
_PRESETS = _TOP / "workflow" / "presets"


def preset_names() -> list[str]:
    """The presets that come with Lethe."""
    return ["miniature", *sorted(path.stem for path in _PRESETS.glob("*.yaml"))]


def read_preset(names: Sequence[str]) -> Config:
    """The preset of one name or file, or of several, of which a later one goes before, key by key, as with Snakemake's
    --configfile."""
    values: dict[str, Any] = {}
    for name in names:
        lay_over(values, read_values(preset_file(name)))
    return load_config(values)


def preset_file(name: str) -> Path:
    """Where a preset lies that is given by its name, or by its file."""
    if name == "miniature":
        return _TOP / "config.yaml"
    if "/" in name or name.endswith((".yaml", ".yml", ".json")):
        return Path(name)
    if name not in preset_names():
        raise LetheError(f"there is no preset '{name}'", f"{nearest(name, preset_names())}, or name a config file")
    return _PRESETS / f"{name}.yaml"


def read_values(path: Path) -> dict[str, Any]:
    """What a YAML file of keys and values says."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", "correct the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LetheError(f"{path}: not YAML ({error})", "mend the file") from None
    if not isinstance(values, dict):
        raise LetheError(f"{path}: holds no configuration", "give a preset, as workflow/presets/smoke.yaml")
    return values


def lay_over(below: dict[str, Any], above: dict[str, Any]) -> None:
    """Put the values of ``above`` into ``below``, key by key; what both have is that of ``above``."""
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            lay_over(below[key], value)
        else:
            below[key] = value
