"""Text judges that are given: what a preset may say of them, what the plan makes of it, and which files are read."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.judges.alignment import CONFIG, WEIGHTS, load_alignment, look, save_alignment, untrained
from lethe.plan import Plan
from lethe.plan.study import Cell

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
CPU = torch.device("cpu")
ARCHITECTURE = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "layers": 1, "heads": 2},
}


# ----------------------------------------------------------------------------------------------------- the preset


@pytest.fixture
def files(tmp_path) -> Path:
    for name in ("clip.bin", "320n.onnx"):
        (tmp_path / name).write_bytes(b"weights")
    return tmp_path


def preset(files: Path, **changes: Any) -> dict[str, Any]:
    """The miniature whose text study has given judges, and nothing that sees attributes."""
    values = copy.deepcopy(MINIATURE)
    study = values["studies"]["shapes"]
    study["judges"] = {
        "alignment": {"given": str(files / "clip.bin")},
        "detector": {"given": str(files / "320n.onnx"), "channels": "bgr"},
        "attributes": None,
    } | changes
    for name in ("shapes", "shapes3"):
        for concept in values["studies"][name]["targets"].values():
            concept.pop("attribute", None)
    return values


def judged(plan: Plan, variant: str = "rgd", target: str = "stripes", study: str = "shapes") -> str:
    return plan.studies[study].judged(Cell(study, target, variant, "0")).options


def test_the_plan_names_the_files_and_trains_no_judge(files):
    plan = Plan(load_config(preset(files)))
    for study in ("shapes", "shapes3"):  # the second is judged by the first
        own = plan.studies[study]
        assert own.trained_judge_files == []
        assert own.given_judge_inputs == [str(files / "clip.bin"), str(files / "320n.onnx")]
        words = judged(plan, study=study).split()
        assert words[: words.index("--architecture") + 2] == [
            *("--alignment", str(files / "clip.bin"), "--detector", str(files / "320n.onnx")),
            *("--architecture", "ViT-B-32"),
        ]
        assert {"--channels=bgr", "--smallest-score=0.2", "--clipping=nudenet"} <= set(words)
        assert not [word for word in words if word.startswith("--attributes")]
    assert not [path for path in plan.expected() if "shapes/judge/" in path]


def test_some_may_be_given_and_others_trained(files):
    values = preset(files, alignment={"steps": 5}, attributes={"steps": 5})
    plan = Plan(load_config(values)).studies["shapes"]
    root = "results/miniature/shapes/judge"
    assert plan.trained_judge_files == [
        f"{root}/alignment/open_clip_model.safetensors",
        f"{root}/attributes.safetensors",
    ]
    assert plan.given_judge_inputs == [str(files / "320n.onnx")]
    words = judged(Plan(load_config(values))).split()
    assert words[:6] == [
        *("--alignment", f"{root}/alignment", "--detector", str(files / "320n.onnx")),
        *("--attributes", f"{root}/attributes.safetensors"),
    ]
    assert "--architecture" not in words


def test_a_folder_says_its_architecture(files):
    values = preset(files, alignment={"given": str(files), "architecture": None})
    assert "--architecture" not in judged(Plan(load_config(values)))


def test_what_is_given_enters_the_fingerprint(files):
    def mark(**changes: Any) -> str:
        plan = Plan(load_config(preset(files, **changes))).studies["shapes"]
        return plan.judged(Cell("shapes", "stripes", "rgd", "0")).fingerprint

    marks = {
        mark(),
        mark(detector={"given": str(files / "320n.onnx")}),
        mark(detector={"given": str(files / "clip.bin")}),
    }
    assert len(marks) == 3


def test_a_target_is_seen_by_its_name_where_nothing_else_sees_it(files):
    plan = Plan(load_config(preset(files)))
    assert "--concept=" not in judged(plan)
    assert "--concept='Vincent van Gogh' --anchor=none" in judged(plan, target="van_gogh")
    options = plan.text.alignment_tables["table2"].options
    assert options[options.index("--seen-by") + 1] == "van_gogh=CS"
    values = preset(files)
    values["studies"]["shapes"]["targets"]["van_gogh"]["anchor"] = "Hieronymus Bosch"
    options = Plan(load_config(values)).text.tradeoff_options
    assert options[options.index("--seen-by") + 1] == "van_gogh=CER"


def test_no_data_is_needed_where_nothing_is_trained(files):
    values = preset(files)
    values["studies"]["shapes"]["data"] = None
    with pytest.raises(LetheError, match=r"studies\.shapes: data: null, but base is trained on it"):
        load_config(values)
    values = preset(files, attributes={"steps": 5})
    values["studies"]["shapes"]["data"] = None
    with pytest.raises(LetheError, match=r"data: null, but judges\.attributes is trained on it"):
        load_config(values)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"detector": {"given": "nudenet", "chanels": "rgb"}}, r"detector\.chanels: .*did you mean 'channels'"),
        ({"detector": {"given": "nudenet", "channels": "gbr"}}, r"detector\.channels: Input should be 'rgb' or 'bgr'"),
        ({"detector": {"stebs": 5}}, r"judges\.detector\.stebs: .*did you mean 'steps'"),
        ({"alignment": {"given": "open_clip_b32", "architechture": "x"}}, r"did you mean 'architecture'"),
        ({"alignment": None}, r"judges\.alignment"),
    ],
)
def test_a_wrong_key_is_named(files, changes, problem):
    with pytest.raises(LetheError, match=problem):
        load_config(preset(files, **changes))


def test_what_no_judge_can_see_is_refused(files):
    values = preset(files)
    values["studies"]["shapes3"]["targets"]["stripes"]["attribute"] = "pattern=striped"
    with pytest.raises(LetheError, match=r"shapes3\.targets\.stripes\.attribute: .*no judge of attributes"):
        load_config(values)
    values = preset(files)
    values["studies"]["shapes"]["measures"]["curve"] = [0.1, 0.6]
    with pytest.raises(LetheError, match=r"shapes\.measures\.curve: 0\.1, but nudenet keeps nothing below 0\.2"):
        load_config(values)


def test_an_asset_that_is_not_there_is_named(files):
    plan = Plan(load_config(preset(files, detector={"given": "nudnet"})))
    with pytest.raises(LetheError, match="there is no asset 'nudnet'"):
        judged(plan)


# ----------------------------------------------------------------------------------------------- open_clip's files


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    torch.manual_seed(3)
    save_alignment(folder / "whole", untrained(ARCHITECTURE, folder), {"judge": "tiny"})
    return folder / "whole"


def cosines(source: Path, architecture: str | None) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 20, 20), dtype=np.uint8)
    return look(load_alignment(source, architecture)[0], images, ["a", "b c", "d"], np.arange(3), CPU)[0]


@pytest.fixture(scope="module")
def known(folder, tmp_path_factory) -> str:
    """The name of that architecture."""
    import json

    path = tmp_path_factory.mktemp("architectures") / "tinier-clip.json"
    path.write_text(json.dumps(json.loads((folder / CONFIG).read_text())["model_cfg"]))
    open_clip.add_model_config(path)
    return path.stem


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_pytorch_model.safetensors", "x.pth"])
def test_weights_are_read_in_the_hubs_formats(folder, known, tmp_path, name):
    weights = load_file(folder / WEIGHTS)
    if name.endswith(".safetensors"):
        save_file(weights, tmp_path / name)
    else:
        torch.save(weights, tmp_path / name)
    expected = cosines(folder, None)
    np.testing.assert_array_equal(cosines(tmp_path / name, known), expected)
    np.testing.assert_array_equal(cosines(tmp_path, known), expected)  # the folder of an asset of several files
    shutil.copy(folder / CONFIG, tmp_path)
    np.testing.assert_array_equal(cosines(tmp_path, None), expected)


class Trap:
    """What a pickle runs when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("unsafe", ["0", "1"])
@pytest.mark.parametrize("place", ["a pickle", "among the weights"])
def test_a_file_that_runs_code_is_refused_and_not_run(folder, known, tmp_path, monkeypatch, place, unsafe):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", unsafe)
    path, mark = tmp_path / "model.bin", tmp_path / "was here"
    if place == "a pickle":
        path.write_bytes(pickle.dumps(Trap(mark), protocol=2))
    else:
        torch.save(load_file(folder / WEIGHTS) | {"more": Trap(mark)}, path)
    with pytest.raises(LetheError, match="holds something other than tensors"):
        load_alignment(path, known)
    assert not mark.exists()
    shutil.copy(folder / CONFIG, tmp_path)
    with pytest.raises(LetheError, match="holds something other than tensors"):
        load_alignment(tmp_path)
    assert not mark.exists()


def test_other_files_are_refused(folder, known, tmp_path):
    np.savez(tmp_path / "weights.npz", a=np.zeros(3))
    with pytest.raises(LetheError, match="not a file of weights by its name"):
        load_alignment(tmp_path / "weights.npz", known)
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.bin")
    with pytest.raises(LetheError, match="not a model that open_clip reads"):
        load_alignment(tmp_path / "other.bin", known)
    torch.save({"a": torch.zeros(3)}, tmp_path / "another.bin")
    with pytest.raises(LetheError, match=r"several files of weights \(another\.bin, other\.bin\)"):
        load_alignment(tmp_path, known)


def test_a_long_prompt_is_cut_where_it_may_be_and_keeps_its_end(folder):
    judge, _ = load_alignment(folder)
    long, other = "one two three four five six seven eight nine ten eleven twelve", "one two three"
    assert judge.is_too_long(long)
    assert not judge.is_too_long(other)
    with pytest.raises(LetheError, match="has 14 tokens, the alignment judge reads 12"):
        judge.tokens([long, other], may_be_cut={other})
    cut, short = judge.tokens([long, other], may_be_cut={long})
    assert cut[-1] == short[4] == judge.tokenizer.eot_token_id
    fits = " ".join(long.split()[:10])
    assert torch.equal(cut, judge.tokens([fits])[0])
    assert torch.equal(judge.embed_texts([long], CPU, may_be_cut={long}), judge.embed_texts([fits], CPU))
