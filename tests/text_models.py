"""A text study in small, as a pytest plugin: ``pytest_plugins = ["text_models"]`` in a test module gives its fixtures.

Everything is made by the stages' own commands, once in a session: 512 pictures, a StableDiffusionPipeline folder that
has learned a little (64,796 weights in its U-Net), eight pairs of prompts, their embeddings, and all kinds of sets.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from stages import FEW_STEPS, PAIRS, SMALL_BASE, SMALL_FLOW, run

import lethe.base.stable_diffusion
import lethe.base.stable_diffusion3
import lethe.data.text
import lethe.sample.text
import lethe.sets.text
from lethe.models.stable_diffusion import StableDiffusion
from lethe.models.stable_diffusion3 import StableDiffusion3
from lethe.prompts import prompt_rows, write_prompts
from lethe.sets import Sets, read_sets
from lethe.settings.concept import Concept


@pytest.fixture(scope="session")
def text_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train`` and ``test``."""
    folder = tmp_path_factory.mktemp("shapes")
    run(lethe.data.text, f"--train {folder}/train --test {folder}/test --train-images 512 --test-images 16")
    return folder


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory, text_data: Path) -> Path:
    """The base's folder."""
    folder = tmp_path_factory.mktemp("text_base") / "model"
    run(lethe.base.stable_diffusion, f"--data {text_data}/train --model {folder} --device cpu {SMALL_BASE}")
    return folder


@pytest.fixture
def text_model(text_folder: Path) -> StableDiffusion:
    """The base, freshly loaded."""
    return StableDiffusion.load(text_folder)


@pytest.fixture(scope="session")
def flow_folder(tmp_path_factory: pytest.TempPathFactory, text_data: Path) -> Path:
    """The folder of a base of Stable Diffusion 3's kind."""
    folder = tmp_path_factory.mktemp("flow_base") / "model"
    run(lethe.base.stable_diffusion3, f"--data {text_data}/train --model {folder} --device cpu {SMALL_FLOW}")
    return folder


@pytest.fixture
def flow_model(flow_folder: Path) -> StableDiffusion3:
    """That base, freshly loaded."""
    return StableDiffusion3.load(flow_folder)


@pytest.fixture(scope="session")
def concept() -> Concept:
    return Concept(
        title="stripes",
        words=("striped", "banded"),
        sentences=("A {colour} {concept} {shape} {place}",),
        train={
            "colour": ("red", "green", "blue"),
            "shape": ("circle", "bar"),
            "place": ("on the grass", "in the snow"),
        },
        test={"colour": ("orange", "purple"), "shape": ("diamond", "ring"), "place": ("on the road",)},
        train_pairs=PAIRS,
        test_pairs=4,
        prompt="striped",
        uniform=("A striped shape", "A shape"),
        anchor="",
    )


@pytest.fixture(scope="session")
def text_study(tmp_path_factory: pytest.TempPathFactory, text_folder: Path, concept: Concept) -> Path:
    """A folder with ``prompts.csv``, ``embeddings``, the shards of the images to learn from, and the sets
    ``diversified``, ``uniform`` and ``anchored``."""
    return _study(tmp_path_factory.mktemp("stripes"), text_folder, concept, FEW_STEPS)


@pytest.fixture(scope="session")
def flow_study(tmp_path_factory: pytest.TempPathFactory, flow_folder: Path, concept: Concept) -> Path:
    """The same of the base of Stable Diffusion 3's kind."""
    return _study(tmp_path_factory.mktemp("flow_stripes"), flow_folder, concept, f"{FEW_STEPS} --sampler euler")


def _study(folder: Path, base: Path, concept: Concept, sampling: str) -> Path:
    write_prompts(folder / "prompts.csv", prompt_rows(concept))
    common = f"--model {base} --prompts {folder}/prompts.csv --device cpu"
    run(lethe.sets.text, f"embed {common} --target stripes --concept-prompt striped --output {folder}/embeddings")
    for strategy, count in (("diversified", 2 * PAIRS), ("uniform", 2 * PAIRS), ("anchored", PAIRS)):
        shards = [folder / f"{strategy}{number}" for number in range(-(-count // 5))]
        for number, shard in enumerate(shards):
            words = (
                f"--embeddings {folder}/embeddings --purpose {strategy} --shard {number} --output {shard} {sampling}"
            )
            run(lethe.sample.text, f"{common} {words}")
        images = " ".join(map(str, shards))
        run(lethe.sets.text, f"encode {common} --target stripes --images {images} --output {folder}/{strategy}")
    return folder


@pytest.fixture(scope="session")
def text_sets(text_study: Path) -> Sets:
    """The diversified sets."""
    return read_sets(text_study / "diversified", text_study / "embeddings")
