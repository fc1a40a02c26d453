"""What the tests share: one small base model that has really learned the digits, and the sets of one target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lethe.base.classes import train_base
from lethe.data import LabelledImages
from lethe.data.digits import digits as all_digits
from lethe.files import write_arrays
from lethe.models.edm import EDM
from lethe.sets import Sets
from lethe.sets.classes import make_sets
from lethe.settings.base import BaseSettings
from lethe.settings.network import NetworkSettings
from lethe.settings.sets import SetsSettings
from lethe.training import ResumableState

TARGET = 3
FORGET_IMAGES = 40


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Results are bit-equal for one number of threads only; subprocesses and the stages' commands read it here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="session")
def digits() -> LabelledImages:
    return all_digits()


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory, digits: LabelledImages) -> Path:
    """A model folder: 40,809 weights that denoise digits by class; deterministic."""
    settings = BaseSettings(network=NetworkSettings(widths=(8, 16)), steps=250, batch=32, learning_rate=1e-2)
    model, average = train_base(digits, settings, torch.device("cpu"), ResumableState(None, ""))
    folder = tmp_path_factory.mktemp("base") / "model"
    model.save(folder, {"stage": "base"}, average)
    return folder


@pytest.fixture
def base(base_folder: Path) -> EDM:
    """The base model, freshly loaded."""
    return EDM.load(base_folder)


@pytest.fixture(scope="session")
def sets(digits: LabelledImages) -> Sets:
    """40 images of the target, and 2 of each other class (18)."""
    made = make_sets(digits, TARGET, SetsSettings(retain_per_class=2), seed=0)
    return replace(
        made,
        forget_clean=made.forget_clean[:FORGET_IMAGES],
        forget_conditions=made.forget_conditions[:FORGET_IMAGES],
    )


@pytest.fixture
def sets_file(tmp_path: Path, sets: Sets) -> Path:
    """The same sets in a file, as the sets stage writes it."""
    arrays = {name: value for name, value in vars(sets).items() if isinstance(value, np.ndarray)}
    write_arrays(tmp_path / "sets", arrays, {"target": sets.target})
    return tmp_path / "sets"


@pytest.fixture(scope="session")
def weights_of() -> Callable[[EDM], dict[str, torch.Tensor]]:
    """A copy of a model's weights by name."""
    return lambda model: {name: tensor.detach().clone() for name, tensor in model.network.state_dict().items()}
