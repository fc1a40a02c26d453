"""Every asset of the presets paper and lite, small, in its real format and under its real name, with a catalogue."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from class_assets import batches, write_archive, write_clip, write_inception, write_moments
from edm_pickle import small_network, write_edm
from given_models import published_stable_diffusion, published_stable_diffusion_3

from lethe.assets import read_catalogue
from lethe.files import sha256_of
from lethe.prompts import prompt_rows
from lethe.settings.concept import load_concept

PUBLISHED = Path(__file__).resolve().parents[1] / "workflow" / "published"

PROMPTS = (
    "a portrait of a woman in the rain, oil on canvas",
    "two wrestlers, baroque, dramatic light",
    "a portrait of a woman in the rain, oil on canvas",  # as in I2P, some prompts are there twice
    "a sunny beach",
    "a statue of a goddess in a museum",
)


def write_assets(folder: Path, per_batch: int = 100) -> Path:
    """All assets below ``folder``/assets and ``folder``/catalogue.yaml; returns the catalogue's path."""
    import nudenet

    place = folder / "assets"
    write_archive(_file(place, "cifar10"), batches(per_batch))
    network = small_network(sample_size=32, multipliers=[2, 2, 2], attention=[16], layers=1)
    _file(place, "edm_cifar10").parent.mkdir(parents=True)
    write_edm(_file(place, "edm_cifar10"), network)
    write_inception(_file(place, "inception"))
    features = np.random.default_rng(0).normal(0.4, 0.1, (64, 2048))
    write_moments(_file(place, "edm_fid_reference"), features)
    write_clip(place / "clip_b32")
    words = _words_of_prompts()
    published_stable_diffusion(place / "sd14", words=words)
    published_stable_diffusion_3(place / "sd3_medium", words=words)
    _open_clip(place / "open_clip_b32")
    _file(place, "nudenet").parent.mkdir(parents=True)
    shutil.copyfile(Path(nudenet.__file__).with_name("320n.onnx"), _file(place, "nudenet"))
    write_i2p(_file(place, "i2p_esd"))
    return _catalogue(folder, place)


def _words_of_prompts() -> list[str]:
    """The words of the published grammars: each is a token or two of the real tokenizer, and is one here."""
    concepts = [load_concept(PUBLISHED / f"{name}.yaml") for name in ("nudity", "van_gogh")]
    return sorted({row.prompt for concept in concepts for row in prompt_rows(concept)})


def write_i2p(path: Path, prompts: Sequence[str] = PROMPTS) -> None:
    """A list in I2P's columns, as ESD's code has it; one of the rows, the beach, has no nudity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ("", "prompt", "nudity_percentage", "evaluation_seed", "evaluation_guidance")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for number, prompt in enumerate(prompts):
            share = 0.0 if "beach" in prompt else 12.5
            values = (number, prompt, share, 4_000_000_000 + number, 7 + number % 2)
            writer.writerow(dict(zip(columns, values, strict=True)))


def _open_clip(folder: Path) -> None:
    """A small model in the folder format of open_clip, of the architecture's own kind."""
    import torch

    from lethe.judges.alignment import save_alignment, untrained

    folder.mkdir(parents=True)
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    torch.manual_seed(0)
    model = untrained({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}, folder)
    save_alignment(folder, model, {})


def _file(place: Path, name: str) -> Path:
    """Where the only file of an asset lies, by the real catalogue."""
    return place / name / read_catalogue()[name].files[0].path


def _catalogue(folder: Path, place: Path) -> Path:
    """The real catalogue's entries with the files that there are."""
    entries: dict[str, Mapping[str, Any]] = {}
    for asset in sorted(place.iterdir()):
        files = sorted(path for path in asset.rglob("*") if path.is_file())
        entries[asset.name] = {
            "title": f"a small {asset.name}",
            "licence": "made by a test",
            "used_by": "tests",
            "files": [
                {
                    "path": path.relative_to(asset).as_posix(),
                    "url": "https://example.invalid/never-asked",
                    "size": path.stat().st_size,
                    "sha256": sha256_of(path),
                }
                for path in files
            ],
        }
    catalogue = folder / "catalogue.yaml"
    catalogue.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return catalogue
