"""A model of text that others have unlearned becomes a folder of ours: its own parts, and the base's for the rest.

Both kinds of Stable Diffusion are read so; their networks are in ``stable_diffusion.py`` and ``stable_diffusion3.py``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from diffusers import ModelMixin
from safetensors.torch import load_file
from torch import Tensor, equal
from transformers import CLIPTokenizer, PreTrainedModel

from lethe.base.given import SCHEDULER, GivenModel, read_pipeline, write_model
from lethe.base.given_parts import checksums, find_weights, read_part
from lethe.errors import LetheError
from lethe.files import read_json, read_provenance, sha256_of
from lethe.imported.command import parser_of as any_parser
from lethe.imported.command import record_of
from lethe.imported.forms import form_of
from lethe.imported.overlay import Overlay, check_configuration, laid_over, read_weights
from lethe.model_files import CONFIG, WEIGHTS, Family
from lethe.models.latent import LatentModel
from lethe.settings.imported import ImportSettings
from lethe.settings.options import add_options, from_options


class Importer(NamedTuple):
    """What reads the models of one family. ``checkpoint`` reads a file of the original code, where there is such."""

    family: Family
    network: type[ModelMixin]
    encoder: type[PreTrainedModel]
    ends: tuple[str, ...]
    denoiser: type[LatentModel]
    checkpoint: Callable[[Path, Path, ImportSettings], GivenModel | None] = lambda source, base, settings: None


def import_model(arguments: argparse.Namespace, importer: Importer) -> None:
    settings = from_options(ImportSettings, arguments)
    source, base, part = arguments.source, arguments.base, importer.denoiser.part
    form = form_of(source, importer.family)
    whole = _whole(source, base, form, importer, settings)
    _check_settings(source, form, whole, settings)
    if whole is None:
        network, overlay, files = _network(source, base, form, importer, settings)
        record = record_of(arguments, settings, overlay, files, files)
    else:
        network, files = whole.network, whole.files
        check_configuration(source, network.config, _configuration_of(base, importer))
        overlay = laid_over(source, network.state_dict(), base / part / WEIGHTS)
        of_network = {name: digest for name, digest in files.items() if name.startswith(f"{part}/")} or files
        record = record_of(arguments, settings, overlay, files, of_network, _other_parts(whole, base))
    known = read_provenance(base / part / WEIGHTS)
    record |= {key: known[key] for key in ("t5_tokens",) if key in known}  # as the base is asked, so is this
    network.load_state_dict(overlay.tensors)
    if whole is None:
        importer.denoiser(network, base).save(arguments.model, record)
    else:
        write_model(whole, arguments.model, importer.family, importer.denoiser, record)


def _check_settings(source: Path, form: str, whole: GivenModel | None, settings: ImportSettings) -> None:
    """LetheError for a setting that would be passed over for what is given."""
    is_checkpoint = form == "weights" and whole is not None
    if settings.partial and (form != "weights" or is_checkpoint):
        raise LetheError(
            f"{source}: partial is for a single file of the network's weights, under diffusers' names",
            "leave it out for a folder, and for a whole checkpoint",
        )
    if settings.weights != "live" and not is_checkpoint:
        raise LetheError(
            f"{source}: weights: {settings.weights} is for a CompVis checkpoint, which may have two kinds",
            "leave it out, or give the checkpoint",
        )


def _whole(source: Path, base: Path, form: str, importer: Importer, settings: ImportSettings) -> GivenModel | None:
    """A model that has all parts of its own."""
    if form == "pipeline":
        return read_pipeline(source, importer.family, importer.network, importer.encoder, importer.ends)
    return importer.checkpoint(source, base, settings) if form == "weights" else None


def _network(
    source: Path, base: Path, form: str, importer: Importer, settings: ImportSettings
) -> tuple[ModelMixin, Overlay, dict[str, str]]:
    """The network alone, its weights beside the base's, and checksums of what it was read from."""
    weights = base / importer.denoiser.part / WEIGHTS
    if form == "network":
        network = read_part(source, importer.network)
        check_configuration(source, network.config, _configuration_of(base, importer))
        files = checksums(source, {"": find_weights(source, "diffusers")})
        return network, laid_over(source, network.state_dict(), weights), files
    overlay = laid_over(source, read_weights(source), weights, settings.partial)
    network = importer.network.from_config(read_json(base / importer.denoiser.part / CONFIG))
    return network.eval(), overlay, {source.name: sha256_of(source)}


def _configuration_of(base: Path, importer: Importer) -> dict[str, Any]:
    """The base network's, with the defaults that its file leaves out."""
    given = importer.network.load_config(str(base / importer.denoiser.part), local_files_only=True)
    return dict(importer.network.from_config(given).config)


def _other_parts(given: GivenModel, base: Path) -> list[str]:
    """The parts beside the network that are not the base's."""
    found = [] if _same_weights(given.autoencoder.state_dict(), load_file(base / "vae" / WEIGHTS)) else ["vae"]
    for end, encoder in given.encoders.items():
        folder = f"text_encoder{end}"
        if not _same_weights(_plain(encoder.state_dict()), _plain(load_file(base / folder / "model.safetensors"))):
            found.append(folder)
        if _words(given.tokenizers[end]) != _words(base / f"tokenizer{end}"):
            found.append(f"tokenizer{end}")
    schedules = (
        {key: value for key, value in schedule.items() if key != "_diffusers_version"}
        for schedule in (given.scheduler, read_json(base / SCHEDULER))
    )
    return found if next(schedules) == next(schedules) else [*found, "scheduler"]


def _same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(equal(tensor, other[name]) for name, tensor in one.items())


def _plain(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under the names that transformers has had before and since its fifth version."""
    return {name.removeprefix("text_model."): tensor for name, tensor in weights.items()}


def _words(folder: Path) -> tuple[Any, ...]:
    tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return model["vocab"], model["merges"], tokenizer.pad_token


def parser_of(family: Family, text: str | None, source: str) -> argparse.ArgumentParser:
    parser = any_parser(family, text, source)
    add_options(parser, ImportSettings)
    return parser
