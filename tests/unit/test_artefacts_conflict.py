"""Figure conflict: cosines, shares and layers by hand, drawn for few tensors and for many."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from lethe.artefacts.__main__ import parser
from lethe.artefacts.conflict import columns_of, draw, layer_of, read_conflict
from lethe.artefacts.naming import cell_named
from lethe.artefacts.style import paper_style
from lethe.errors import LetheError
from lethe.files import write_arrays

CELL = cell_named("rgd/ring/0")


def names(count: int) -> list[str]:
    """Of a U-Net, in the order of its parameters: the middle after the way up."""
    blocks = ["down_blocks.0", "down_blocks.1", "up_blocks.0", "up_blocks.1", "mid_block"]
    inner = [f"{block}.attentions.{n}.attn2.to_k.weight" for block in blocks for n in range((count - 2) // 5)]
    return ["conv_in.weight", *inner, "conv_out.weight"]


def written(path: Path, tensors: list[str], steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    forget, retain = random.normal(size=(2, steps, len(tensors), 5))
    arrays = {
        "forget_square": (forget**2).sum(-1),
        "cross": (forget * retain).sum(-1),
        "retain_square": (retain**2).sum(-1),
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    arrays["forget_square"][:, 1] = arrays["cross"][:, 1] = 0  # a gradient that vanished
    write_arrays(path, arrays, {"tensors": tensors})
    return arrays


def test_cosines_and_shares_are_of_each_tensor_in_the_order_of_the_layers(tmp_path):
    tensors = names(12)
    arrays = written(tmp_path / "c", tensors, 40)
    found = read_conflict(CELL, tmp_path / "c")
    assert found.layers == ["in", "down 0", "down 0", "down 1", "down 1", "mid", "mid"] + [
        f"up {n}" for n in (0, 0, 1, 1)
    ] + ["out"]
    assert sorted(found.tensors) == sorted(tensors)
    for row, tensor in enumerate(found.tensors):
        column = tensors.index(tensor)
        norms = np.sqrt(arrays["forget_square"][:, column]) * np.sqrt(arrays["retain_square"][:, column])
        if column == 1:
            assert np.isnan(found.cosine[row]).all()
            assert np.isnan(found.share[row])
        else:
            np.testing.assert_allclose(found.cosine[row], arrays["cross"][:, column] / norms, rtol=1e-5)
            assert found.share[row] == pytest.approx((arrays["cross"][:, column] < 0).mean())


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("time_embedding.linear_1.weight", "in"),
        ("down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_v.weight", "down 2"),
        ("mid_block.resnets.0.conv1.bias", "mid"),
        ("up_blocks.3.resnets.1.norm1.weight", "up 3"),
        ("conv_norm_out.weight", "out"),
        ("class_embedding.weight", "out"),
    ],
)
def test_a_layer_is_named_by_its_place(tensor, layer):
    assert layer_of(tensor)[2] == layer


def test_many_steps_become_means_of_neighbours():
    cosine = np.array([[0.0, 1.0, -1.0, np.nan, np.nan, np.nan], [0.5, 0.5, 0.1, 0.3, -0.2, 0.0]])
    found = columns_of(cosine, most=3)
    np.testing.assert_allclose(found, [[0.5, -1.0, np.nan], [0.5, 0.2, -0.1]])
    np.testing.assert_array_equal(columns_of(cosine), cosine)


@pytest.mark.parametrize("count", [7, 17, 32, 302])
def test_the_names_of_layers_do_not_touch(tmp_path, count):
    written(tmp_path / "c", names(count), 30)
    with paper_style():
        figure = draw([read_conflict(CELL, tmp_path / "c")], {"rgd": "RGD"})
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) >= 5
    for above, below in itertools.pairwise(boxes):
        assert above.y0 >= below.y1 or below.y0 >= above.y1
    title = figure.axes[0].get_title(loc="left")
    assert title.startswith(f"RGD: {len(names(count))} tensors, in conflict in ")


def test_the_command_writes_the_figure_and_its_numbers_and_the_same_bytes_again(tmp_path):
    for number, count in enumerate((17, 302)):
        written(tmp_path / f"c{number}", names(count), 30 + number, seed=number)

    def run(folder: Path) -> list[bytes]:
        words = f"conflict --cells rgd/ring/0 doco_release/ring/0 --conflicts {tmp_path}/c0 {tmp_path}/c1"
        words += f" --titles rgd=RGD doco_release=DoCo --pdf {folder}/f.pdf --png {folder}/f.png --csv {folder}/f.csv"
        arguments = parser().parse_args(words.split())
        arguments.run(arguments)
        return [(folder / f"f.{kind}").read_bytes() for kind in ("pdf", "png", "csv")]

    assert run(tmp_path / "a") == run(tmp_path / "b")
    with (tmp_path / "a" / "f.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(names(17)) + len(names(302))
    found = read_conflict(CELL, tmp_path / "c0")
    for row, share in zip(rows, found.share, strict=False):
        assert row["share"] == ("" if np.isnan(share) else repr(float(share)))


def test_files_without_two_gradients_or_of_another_kind_are_refused(tmp_path):
    nothing = dict.fromkeys(("forget_square", "cross", "retain_square"), np.zeros((0, 3), np.float32))
    write_arrays(tmp_path / "none", nothing, {"tensors": ["a", "b", "c"]})
    with pytest.raises(LetheError, match="in no step of rgd two gradients meet"):
        read_conflict(CELL, tmp_path / "none")
    write_arrays(tmp_path / "other", {"cross": np.zeros((2, 3))}, {})
    with pytest.raises(LetheError, match="not a file of gradients by tensor"):
        read_conflict(CELL, tmp_path / "other")
