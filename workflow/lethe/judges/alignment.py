"""How well an image fits its prompt: the cosine of open_clip's embeddings of the two (Hessel et al. 2021).

RGD's alignment score takes it from OpenCLIP ViT-B/32, with the transform that open_clip means for training, which cuts
a random 90 to 100 % out of each image. Both are here: the evaluation transform, and that one, seeded image by image.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.push_to_hf_hub import save_config_for_hf
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.transforms.functional import to_pil_image

from lethe.errors import LetheError, nearest
from lethe.files import order_metadata, read_provenance, written_whole
from lethe.judges.pictures import in_batch
from lethe.randomness import derived_seed
from lethe.shards import Shard, whole

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
_UNPICKLED = (".bin", ".pt", ".pth")
_IN_FOLDERS = (".bin", ".pth", ".safetensors")  # where open_clip looks for a folder's weights


@dataclass(frozen=True)
class Alignment:
    """An open_clip model with its configuration, its tokenizer and its two transforms of PIL images."""

    model: nn.Module
    config: dict[str, Any]
    tokenizer: SimpleTokenizer
    training_transform: Callable[[Any], Tensor]
    evaluation_transform: Callable[[Any], Tensor]

    def pictures(self, images: np.ndarray) -> Tensor:
        """uint8 images (N, 3, H, W) as the model takes them, by the evaluation transform: float32 (N, 3, S, S)."""
        return torch.stack([self.evaluation_transform(to_pil_image(torch.from_numpy(image))) for image in images])

    def pictures_as_released(self, images: np.ndarray, seeds: np.ndarray) -> Tensor:
        """The same by the training transform; what is cut out of an image depends on its seed alone."""
        pictures = []
        with torch.random.fork_rng(devices=[]):
            for image, seed in zip(images, seeds.tolist(), strict=True):
                torch.manual_seed(derived_seed(seed, "training transform"))
                pictures.append(self.training_transform(to_pil_image(torch.from_numpy(image))))
        return torch.stack(pictures)

    def is_too_long(self, text: str) -> bool:
        return self._token_count(text) > self.tokenizer.context_length

    def tokens(self, texts: Sequence[str], may_be_cut: Collection[str] = ()) -> Tensor:
        """Tokens (N, length) of prompts. open_clip silently cuts a prompt that is too long, and keeps its end token;
        here it is refused, unless it is one of ``may_be_cut``."""
        for text in texts:
            if self.is_too_long(text) and text not in may_be_cut:
                raise LetheError(
                    f"prompt '{text}' has {self._token_count(text)} tokens, the alignment judge reads "
                    f"{self.tokenizer.context_length}",
                    "shorten it, or take a judge with a longer text tower",
                )
        return self.tokenizer(list(texts))

    def _token_count(self, text: str) -> int:
        return len(self.tokenizer.encode(text)) + 2

    @torch.inference_mode()
    def embed_texts(
        self,
        texts: Sequence[str],
        device: torch.device,
        batch: int = 256,
        may_be_cut: Collection[str] = (),
        among: Sequence[str] = (),
    ) -> Tensor:
        """Unit embeddings (N, d) of prompts, each distinct one embedded once. Those of a shard are ``among`` the whole
        set's, whose batches theirs are."""
        place = {text: number for number, text in enumerate(dict.fromkeys(among or texts))}
        model, blocks = self.model.to(device), self.tokens(list(place), may_be_cut).split(batch)
        rows = np.array([place[text] for text in texts])
        asked = np.unique(rows // batch)
        distinct = torch.cat([model.encode_text(blocks[block].to(device), normalize=True) for block in asked])
        return distinct[np.searchsorted(asked, rows // batch) * batch + rows % batch]

    @torch.inference_mode()
    def embed_pictures(self, pictures: Tensor, device: torch.device) -> Tensor:
        """Unit embeddings (N, d) of what a transform made of images."""
        return self.model.to(device).encode_image(pictures.to(device), normalize=True)


def look(
    alignment: Alignment,
    images: np.ndarray,
    texts: Sequence[str],
    seeds: np.ndarray,
    device: torch.device,
    batch: int = 256,
    may_be_cut: Collection[str] = (),
    shard: Shard | None = None,
    among: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (N,) float32 of uint8 images (N, 3, H, W) with their texts, by the evaluation and by the training
    transform; ``seeds`` (N,) are the images' own and decide what the latter cuts out. ``may_be_cut`` are texts that may
    be longer than what the model reads. The images may be a ``shard`` of a set; the set's texts are ``among`` then."""
    wanted = alignment.embed_texts(texts, device, may_be_cut=may_be_cut, among=among)
    cosines: tuple[list[Tensor], list[Tensor]] = ([], [])
    for part in (shard or whole(len(images))).batches(batch):
        own, texts_of_own = images[part.rows], in_batch(wanted[part.rows], part)
        pictures = alignment.pictures(own), alignment.pictures_as_released(own, seeds[part.rows])
        for found, seen in zip(cosines, pictures, strict=True):
            cosine = (alignment.embed_pictures(in_batch(seen, part), device) * texts_of_own).sum(1)
            found.append(cosine[part.own].float().cpu())
    return torch.cat(cosines[0]).numpy(), torch.cat(cosines[1]).numpy()


def compare_with_names(
    alignment: Alignment,
    images: np.ndarray,
    names: Sequence[str],
    device: torch.device,
    batch: int = 256,
    shard: Shard | None = None,
) -> np.ndarray:
    """Cosines (N, K) float32 of uint8 images (N, 3, H, W), a whole set or a ``shard`` of one, with each of K names, by
    the evaluation transform."""
    wanted = alignment.embed_texts(names, device).T
    cosines = []
    for part in (shard or whole(len(images))).batches(batch):
        seen = alignment.embed_pictures(in_batch(alignment.pictures(images[part.rows]), part), device)
        cosines.append((seen @ wanted)[part.own].float().cpu())
    return torch.cat(cosines).numpy()


def save_alignment(folder: Path, alignment: Alignment, provenance: dict[str, Any]) -> None:
    """Write the folder that ``open_clip.create_model_and_transforms("local-dir:FOLDER")`` reads."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in alignment.model.state_dict().items()}
    with written_whole(folder / CONFIG) as temporary:
        save_config_for_hf(alignment.model, temporary, alignment.config)
    with written_whole(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt", "lethe": json.dumps(provenance, sort_keys=True)})
        order_metadata(temporary)


def load_alignment(source: Path, architecture: str | None = None) -> tuple[Alignment, str]:
    """The judge in the folder ``source``, or in a file of weights (or a folder with one) for an ``architecture`` that
    open_clip knows by name; in evaluation mode, with what records call it. Nothing is fetched."""
    if architecture is None:
        if not (source / CONFIG).is_file():
            raise LetheError(f"{source / CONFIG}: no such file", "give a folder with an open_clip model")
        weights = weights_file(source)
        _check_has_no_code(weights)
        return _created(f"local-dir:{source}", source), _name_of(weights, f"open_clip {source.name}")
    if architecture not in open_clip.list_models():
        raise LetheError(
            f"open_clip knows no architecture '{architecture}'", nearest(architecture, open_clip.list_models())
        )
    weights = weights_file(source)
    if not weights.is_file():
        raise LetheError(f"{weights}: no such file", f"give a file of weights for open_clip's {architecture}")
    _check_has_no_code(weights)
    return _created(architecture, weights), f"open_clip {architecture}"


def weights_file(source: Path) -> Path:
    """The file of weights of what :func:`load_alignment` takes; of a folder of someone else's, the only one in it."""
    if not source.is_dir():
        return source
    if (source / WEIGHTS).is_file():
        return source / WEIGHTS
    found = sorted(path for path in source.iterdir() if path.suffix in _IN_FOLDERS)
    if not found:
        raise LetheError(f"{source / WEIGHTS}: no such file", "give a folder with an open_clip model")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise LetheError(f"{source}: several files of weights ({names})", "give the file itself")
    return found[0]


def _name_of(weights: Path, otherwise: str) -> str:
    """What records call a judge: as its file says, if it was trained here."""
    return read_provenance(weights).get("judge", otherwise) if weights.suffix == ".safetensors" else otherwise


def _check_has_no_code(weights: Path) -> None:
    """Refuse a file that open_clip would not read as mere tensors.

    It reads a pickle with torch's ``weights_only``; where that fails with a TypeError it tries again without, which an
    environment variable of torch's can make unsafe. So what is to be read so is read so here first.
    """
    if weights.suffix == ".safetensors":
        return
    if weights.suffix not in _UNPICKLED:
        raise LetheError(
            f"{weights}: not a file of weights by its name", f"give a {', '.join(_UNPICKLED)} or .safetensors file"
        )
    try:
        torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise LetheError(
            f"{weights}: holds something other than tensors, or is damaged ({str(error).partition(chr(10))[0]})",
            "fetch it again, or give the weights as .safetensors",
        ) from None


def untrained(config: dict[str, Any], folder: Path) -> Alignment:
    """A model of open_clip's with random weights from torch's global generator; ``folder`` is to be a temporary one."""
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config}), encoding="utf-8")
    return _created(f"local-dir:{folder}", folder, load_weights=False)


def _created(name: str, source: Path, load_weights: bool = True) -> Alignment:
    pretrained = None if name.startswith("local-dir:") else str(source)
    try:
        with _quiet():
            model, training, evaluation = open_clip.create_model_and_transforms(
                name, pretrained=pretrained, load_weights=load_weights, require_pretrained=load_weights
            )
            config = open_clip.get_model_config(name)
            tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip raises many kinds, assertions among them
        reason = str(error).partition("\n")[0]
        raise LetheError(f"{source}: not a model that open_clip reads ({reason})", "make or fetch it again") from error
    if not isinstance(tokenizer, SimpleTokenizer):
        raise LetheError(f"{source}: its tokenizer is not CLIP's", "take a model with open_clip's own tokenizer")
    return Alignment(model.eval(), config, tokenizer, training, evaluation)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's warnings on the root logger, as that a model to be trained has no weights yet."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
