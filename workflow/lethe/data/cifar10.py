"""CIFAR-10 from its publisher's archive, ``cifar-10-python.tar.gz`` (Krizhevsky 2009): 60,000 real 32x32 photographs.

The archive holds a folder of pickles: ``data_batch_1`` to ``data_batch_5`` and ``test_batch``, each a dictionary with
``data`` (n, 3072) uint8, one image a row, red first, then green and blue, and ``labels``; ``batches.meta`` has the
names of the classes and n. They are read as data: nothing in them is run.
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lethe.data import LabelledImages
from lethe.errors import LetheError
from lethe.unpickling.batches import read_batch

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Their names here, as in RGD's evaluation; in the archive two are called otherwise."""
_IN_THE_ARCHIVE = ("airplane", "automobile", *CLASSES[2:])
_SHAPE = (3, 32, 32)
_META, _TEST = "batches.meta", "test_batch"
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_REMEDY = "get cifar-10-python.tar.gz again from its publisher"


def cifar10(archive: Path) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images, as published: the five batches in their order, and the test batch."""
    batches = _read(archive)
    missing = [name for name in (_META, *_TRAIN, _TEST) if name not in batches]
    if missing:
        raise LetheError(f"{archive}: it has no {', '.join(missing)}", _REMEDY)
    meta = batches[_META]
    names = [name.decode("latin1") if isinstance(name, bytes) else name for name in meta.get("label_names", ())]
    if names != list(_IN_THE_ARCHIVE):
        raise LetheError(f"{archive}: {_META} has other classes: {', '.join(map(str, names)) or 'none'}", _REMEDY)
    promised = meta.get("num_cases_per_batch")
    parts = {name: _batch(f"{archive}: {name}", batches[name], promised) for name in (*_TRAIN, _TEST)}
    return _together([parts[name] for name in _TRAIN]), _together([parts[_TEST]])


def _read(archive: Path) -> dict[str, dict[str, Any]]:
    """The pickles of the archive by their names, whatever the folder they are in."""
    if not archive.is_file():
        raise LetheError(f"{archive}: no such file", "give the archive cifar-10-python.tar.gz")
    found: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in (_META, *_TRAIN, _TEST) and (stream := tar.extractfile(member)) is not None:
                    found[name] = read_batch(stream.read(), f"{archive}: {name}")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise LetheError(f"{archive}: not a readable archive ({error})", _REMEDY) from None
    return found


def _batch(name: str, batch: dict[str, Any], promised: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) and labels (n,) of one batch."""
    for key in ("data", "labels"):
        if key not in batch:
            raise LetheError(f"{name}: it has no '{key}'", _REMEDY)
    pixels, labels = batch["data"], np.asarray(batch["labels"])
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (np.prod(_SHAPE),):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise LetheError(f"{name}: its data are {found}, not bytes (n, 3072)", _REMEDY)
    if labels.shape != (len(pixels),) or not np.issubdtype(labels.dtype, np.integer):
        raise LetheError(f"{name}: labels {labels.dtype} {labels.shape} for {len(pixels)} images", _REMEDY)
    if promised is not None and len(pixels) != promised:
        raise LetheError(f"{name}: it has {len(pixels)} images, but {_META} says {promised}", _REMEDY)
    strangers = labels[(labels < 0) | (labels >= len(CLASSES))]
    if strangers.size:
        raise LetheError(f"{name}: an image has the label {strangers[0]}, which is not 0 to 9", _REMEDY)
    return pixels.reshape(-1, *_SHAPE), labels.astype(np.int64)


def _together(parts: list[tuple[np.ndarray, np.ndarray]]) -> LabelledImages:
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return LabelledImages(images, labels, CLASSES, "cifar10")
