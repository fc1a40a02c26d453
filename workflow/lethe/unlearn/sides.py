"""What the two losses see: D_f and D_r on the device, or the concept's own prompt."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lethe.errors import LetheError
from lethe.models.denoiser import Denoiser
from lethe.sets import Sets


class Side:
    """D_f or D_r. Images of classes are kept on the device. Where conditions are prompts, they point into the ``table``
    of embeddings; this and the images' posteriors stay on the CPU, for they can be some GB, and a step takes few."""

    def __init__(
        self,
        model: Denoiser,
        table: Tensor | None,
        clean: np.ndarray,
        conditions: np.ndarray,
        partners: np.ndarray | None = None,
    ) -> None:
        self._model, self._table = model, table
        self._clean, self._conditions = torch.from_numpy(clean), torch.from_numpy(conditions)
        if table is None:
            self._clean, self._conditions = model.clean(self._clean), self._conditions.to(model.device)
        paired = table is not None and partners is not None and len(partners) == len(conditions)
        self._partners = torch.from_numpy(partners) if paired else None

    def __len__(self) -> int:
        return len(self._clean)

    def parts(self, size: int) -> list[np.ndarray]:
        """Rows of each batch of one walk over the set; the last may be short."""
        rows = np.arange(len(self))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def rows(self, rows: np.ndarray) -> dict[str, Tensor | None]:
        """The fields of a Batch that these rows fill."""
        index = torch.from_numpy(rows).to(self._clean.device)
        return {
            "clean": self._clean[index] if self._table is None else self._model.clean(self._clean[index]),
            "conditions": self._meant(self._conditions[index]),
            "partners": self._meant(self._partners[index]) if self._partners is not None else None,
        }

    def _meant(self, conditions: Tensor) -> Tensor:
        return conditions if self._table is None else self._table[conditions].to(self._model.device)


class ConceptPrompt:
    """In the place of D_f: ``prompt`` (tokens, width), the concept's own, without images."""

    def __init__(self, prompt: Tensor, batch: int) -> None:
        self._prompt, self._batch = prompt, batch

    def __len__(self) -> int:
        return self._batch

    def rows(self, rows: np.ndarray) -> dict[str, Tensor | None]:
        return {"clean": None, "conditions": self._prompt.expand(len(rows), *self._prompt.shape)}


def check_shapes(model: Denoiser, sets: Sets) -> None:
    for side, examples in (("D_f", sets.forget_clean), ("D_r", sets.retain_clean)):
        if len(examples) and examples.shape[1:] != model.clean_shape:
            raise LetheError(
                f"{side} holds examples {examples.shape[1:]}, but the model makes {model.clean_shape}",
                "give the sets of the base model's own study",
            )
    if sets.table is not None and sets.table.shape[1:] not in model.condition_shapes:
        raise LetheError(
            f"the prompts' embeddings are {sets.table.shape[1:]}, but the model takes {model.condition_shape}",
            "give the embeddings made with the base model's own text encoder",
        )
    classes = getattr(model, "condition_count", None)
    if classes is not None and len(sets.forget_conditions) and sets.forget_conditions.max() >= classes:
        raise LetheError(
            f"D_f is of class {sets.forget_conditions.max()}, but the model has {classes} classes",
            "give the sets of the base model's own study",
        )
