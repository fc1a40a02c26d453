"""The plan: which cells a preset has, and what enters the fingerprint of a result."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.model_files import model_files, weights_of
from lethe.plan import ANY, Cell, Plan

WEIGHTS = {"digits": weights_of("edm"), "shapes": weights_of("stable_diffusion")}
MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def plan_of(study: str = "digits", **study_changes: Any) -> Plan:
    values = copy.deepcopy(MINIATURE)
    values["studies"][study].update(study_changes)
    return Plan(load_config(values))


def variants_with(study: str, **rows: dict[str, Any]) -> dict[str, Any]:
    return {**MINIATURE["studies"][study]["variants"], **rows}


def changed(before: Plan, after: Plan) -> set[str]:
    """The results that a change makes stale; it plans the same files."""
    old, new = before.expected(), after.expected()
    assert old.keys() == new.keys()
    return {path for path in old if old[path] != new[path]}


def test_seeds_are_an_axis_of_the_methods_and_not_of_a_control_that_has_none():
    one, three = plan_of().studies["digits"], plan_of(seeds=[0, 1, 2]).studies["digits"]
    assert [len(list(plan.cells(["rgd"]))) for plan in (one, three)] == [10, 30]
    assert len(list(three.cells(["base"]))) == 10
    assert len(list(three.cells(["retrained"]))) == 3


def test_the_base_is_sampled_once_for_all_classes():
    plan = plan_of().studies["digits"]
    sampled = [plan.images_of(cell) for cell in plan.cells()]
    assert sampled.count(Cell("digits", ANY, "base", "0")) == 10
    # Two controls, retrained for three targets; the methods; then the points of Figure 6 that no row has.
    methods = {
        name for name, row in plan.study.variants.items() if row.method not in ("base", "retrained", "destroyed")
    }
    assert len(set(sampled)) == 2 + 3 + sum(len(plan.study.targets_of(name)) for name in methods) + 3 * 8


def test_the_base_is_sampled_once_for_each_concept():
    plan = plan_of().studies["shapes"]
    base = list(plan.cells(["base"]))
    assert [plan.images_of(cell).folder for cell in base] == ["shapes/stripes/base/seed0", "shapes/van_gogh/base/seed0"]
    assert {plan.model_folder(cell) for cell in base} == {"results/miniature/shapes/base/model"}
    assert {plan.base_cell(cell) for cell in plan.cells()} == set(base)


def test_a_setting_changes_the_fingerprints_of_what_follows_and_of_nothing_else():
    row = {"method": "salun", "settings": {"learning_rate": 0.5}}
    before = plan_of()
    after = plan_of(variants=variants_with("digits", salun=row))
    assert changed(before, after) == {path for path in before.expected() if "/digits/" in path and "/salun/" in path}
    row = {"method": "rgd", "settings": {"pairs": 63}}
    after = plan_of("shapes", variants=variants_with("shapes", rgd=row))
    assert changed(before, after) == {path for path in before.expected() if "/shapes/" in path and "/rgd/" in path}


def test_a_concept_changes_what_is_made_for_it_and_nothing_else():
    targets = copy.deepcopy(MINIATURE["studies"]["shapes"]["targets"])
    targets["stripes"]["words"] = ["striped"]
    before = plan_of()
    stale = changed(before, plan_of("shapes", targets=targets))
    # All but a control's model, which no concept goes into.
    assert stale == {path for path in before.expected() if "/shapes/stripes/" in path}


def test_threads_memory_and_other_targets_change_no_fingerprint():
    values = copy.deepcopy(MINIATURE)
    values["compute"].update(threads=7, memory_mb=9)
    before, more = plan_of().expected(), Plan(load_config(values)).expected()
    assert before == more
    fewer = plan_of(targets=[1, 3, 8]).expected()
    assert fewer.items() <= before.items()


def test_big_sets_are_drawn_in_shards():
    sampling = {**MINIATURE["studies"]["digits"]["sampling"], "shard_images": 100}
    shards = plan_of(sampling=sampling).studies["digits"].shards(Cell("digits", "3", "rgd", "0"))
    assert len(shards) == 5  # 100 + 9 * 36 images
    assert shards[-1].endswith("images/shard0004.safetensors")


def test_big_sets_of_prompts_are_drawn_in_shards():
    shapes = MINIATURE["studies"]["shapes"]
    pairs = shapes["targets"]["stripes"]["train_pairs"]
    sampling = {**shapes["sampling"], "train_prompts": 10, "images_per_prompt": 3, "shard_images": 50}
    plan = plan_of("shapes", sampling=sampling).studies["shapes"]
    # Three images of each of 10, 10, 16 and 16 prompts; one image for each training prompt, of both sets.
    assert shapes["targets"]["stripes"]["test_pairs"] == 16
    assert len(plan.shards(Cell("shapes", "stripes", "rgd", "0"))) == 4
    for strategy in ("diversified", "uniform"):
        assert len(plan.training_shards("stripes", strategy)) == -(-2 * pairs // 50)


@pytest.mark.parametrize(
    ("study", "place", "size", "is_the_same"),
    [("digits", "3/rgd", 108, True), ("digits", "3/rgd", 100, False), ("shapes", "stripes/rgd", 64, True)],
)
def test_records_do_not_depend_on_the_size_of_shards(study, place, size, is_the_same):
    """But where a shard ends within a batch of the sampler. What is in a shard's file does depend on it."""
    sampling = {**MINIATURE["studies"][study]["sampling"], "shard_images": size}
    whole, parts = plan_of().expected(), plan_of(study, sampling=sampling).expected()
    cell = f"results/miniature/{study}/{place}/seed0"
    assert (whole[f"{cell}/records.csv"] == parts[f"{cell}/records.csv"]) is is_the_same
    assert whole[f"{cell}/model/{WEIGHTS[study]}"] == parts[f"{cell}/model/{WEIGHTS[study]}"]
    for name in ("images", "judged"):
        assert whole[f"{cell}/{name}/shard0000.safetensors"] != parts[f"{cell}/{name}/shard0000.safetensors"]
        assert f"{cell}/{name}/shard0002.safetensors" in parts.keys() - whole.keys()


def test_a_cell_reads_what_its_method_learns_from():
    plan = plan_of().studies["shapes"]
    place = "results/miniature/shapes/stripes"
    for variant, sets in {
        "rgd": [f"{place}/sets/diversified.safetensors"],
        "rgd_400": [f"{place}/sets/diversified.safetensors"],
        "rg": [f"{place}/sets/uniform.safetensors"],
        "esd": [],
        "base": [],
    }.items():
        assert plan.sets_files(Cell("shapes", "stripes", variant, "0")) == sets
    assert plan.embeddings_files(Cell("shapes", "stripes", "esd", "0")) == [f"{place}/embeddings.safetensors"]
    assert plan.embeddings_files(Cell("shapes", ANY, "destroyed", "0")) == []
    classes = plan_of().studies["digits"]
    assert classes.sets_files(Cell("digits", "3", "rgd", "0")) == [
        "results/miniature/digits/3/sets/balanced/seed0.safetensors"
    ]
    assert classes.sets_files(Cell("digits", "3", "retrained", "0")) == []


@pytest.mark.parametrize(("study", "family"), [("digits", "edm"), ("shapes", "stable_diffusion")])
def test_a_model_is_all_its_files(study, family):
    plan = plan_of().studies[study]
    for cell, folder in (
        (Cell(study, "3", "base", "0"), f"results/miniature/{study}/base/model"),
        (Cell(study, "3", "rgd", "0"), f"results/miniature/{study}/3/rgd/seed0/model"),
        (Cell(study, "3", "destroyed", "0"), f"results/miniature/{study}/any/destroyed/seed0/model"),
    ):
        assert plan.model_inputs(cell) == [f"{folder}/{name}" for name in model_files(family)]


def test_every_unlearned_model_has_a_card_and_no_other_has():
    cards = plan_of().cards()
    assert len(set(cards)) == len(cards)
    assert "results/miniature/digits/3/rgd/seed0/model/README.md" in cards
    assert "results/miniature/shapes/van_gogh/esd_x/seed0/model/README.md" in cards
    assert not [card for card in cards if "/base/" in card or "/retrained/" in card or "/any/" in card]


def test_wildcards_of_the_rules_match_what_there_is():
    plan = plan_of()
    assert (plan.studies_of("class"), plan.studies_of("text")) == ("digits", "shapes|shapes3")
    assert plan.studies_of_family("stable_diffusion_3") == "shapes3"
    assert plan.studies_of_family("edm") == "digits"
    assert all(re.fullmatch(plan.targets, word) for word in ("3", "12", "stripes", "van_gogh", "any"))
    assert not any(re.fullmatch(plan.targets, word) for word in ("base", "stripe", ""))
    for pattern, study, yes, no in (
        (plan.studies_making("base", kind="class"), "digits", ["retrained"], ["base", "rgd", "destroyed"]),
        (
            plan.studies_making("unlearn", family="stable_diffusion"),
            "shapes",
            ["rgd_400", "destroyed"],
            ["base", "rg_"],
        ),
    ):
        assert all(re.match(rf"({pattern})/stripes/{row}/", f"{study}/stripes/{row}/") for row in yes)
        assert not any(re.match(pattern, f"{study}/stripes/{row}/seed0") for row in no)
        assert not any(re.match(pattern, f"{other}/stripes/{yes[0]}/seed0") for other in ("shapes3", f"my{study}"))
    # A preset without a kind of study matches nothing, rather than everything.
    values = copy.deepcopy(MINIATURE)
    del values["studies"]["shapes"], values["studies"]["shapes3"], values["artefacts"]["text"]
    nothing = Plan(load_config(values)).studies_of("text")
    assert not any(re.fullmatch(nothing, word) for word in ("", "digits", "shapes"))


def test_a_cell_that_is_not_there_is_named_with_the_nearest():
    plan = plan_of()
    with pytest.raises(LetheError, match=r"no study 'digit'\n.*did you mean 'digits'"):
        plan.cell_of(Cell("digit", "3", "rgd", "0"))
    with pytest.raises(LetheError, match=r"study digits has no variant 'rgdd'\n.*did you mean 'rgd'"):
        plan.cell_of(Cell("digits", "3", "rgdd", "0"))
    assert plan.cell_of(Cell("digits", "3", "rgd", "0")) == Cell("digits", "3", "rgd", "0")


def test_a_study_shares_the_data_and_judges_of_another():
    plan = plan_of()
    own, shared = plan.studies["shapes"], plan.studies["shapes3"]
    assert shared.data_file("train") == own.data_file("train") == "results/miniature/shapes/data/train.safetensors"
    assert shared.judges == own.judges == "results/miniature/shapes/judge"
    assert shared.data.fingerprint == own.data.fingerprint
    for judge in ("alignment", "detector", "attributes"):
        assert shared.judge(judge).fingerprint == own.judge(judge).fingerprint
    assert not [path for path in shared.expected() if path.startswith("results/miniature/shapes3/judge")]
    assert shared.expected()[f"{own.judges}/detector.onnx"] == own.expected()[f"{own.judges}/detector.onnx"]
    assert shared.origin == "--source shapes"
    # Another seed of the pictures makes both anew.
    other = plan_of("shapes", data=MINIATURE["studies"]["shapes"]["data"] | {"seed": 1}).studies["shapes3"]
    cell = Cell("shapes3", "stripes", "rgd", "0")
    assert other.base().fingerprint != shared.base().fingerprint
    assert other.judged(cell).fingerprint != shared.judged(cell).fingerprint


def test_a_flow_has_a_folder_a_base_and_a_denoiser_of_its_own():
    plan = plan_of().studies["shapes3"]
    cell = Cell("shapes3", "stripes", "rgd", "0")
    assert "results/miniature/shapes3/base/model/text_encoder_2/model.safetensors" in plan.base_files
    weights = "results/miniature/shapes3/stripes/rgd/seed0/model/transformer/diffusion_pytorch_model.safetensors"
    assert plan.expected()[weights] == plan.unlearn(cell).fingerprint
    for job in (plan.unlearn(cell), plan.sample(cell), plan.sets("stripes", "diversified")):
        names = {path.stem for path in job.code}
        assert "stable_diffusion3" in names
        assert "stable_diffusion" not in names
    assert "prompts3" in {path.stem for path in plan.embeddings("stripes").code}
    assert "results/miniature/tables/table7.csv" in plan_of().tables()


def test_twins_are_rows_at_equal_compute_and_no_rows_of_their_own():
    plan = plan_of().classes
    assert "rgd_equal" not in plan.table1_rows
    assert "rgd_equal" not in plan.tradeoff_rows
    assert plan.equal.twins == ["rgd_equal"]
    assert "results/miniature/digits/3/rgd_equal/seed0/cost.json" in plan.equal.costs
    assert not [path for path in plan.equal.costs if "/base/" in path or "/destroyed/" in path]
    words = plan.equal.options
    assert words[words.index("--twins") + 1] == "rgd=rgd_equal"
    table2 = plan_of().text.alignment_tables["table2"]
    assert "results/miniature/shapes/stripes/esd_equal/seed0/records.csv" in table2.records
    assert len(table2.records) == len(set(table2.records))
    assert not [word for word in table2.options if word.startswith("esd_equal=")]


def test_without_twins_a_table_reads_no_costs():
    values = copy.deepcopy(MINIATURE)
    values["artefacts"]["classes"]["equal_compute"] = None
    plan = Plan(load_config(values)).classes
    assert plan.equal == ([], [], [])
    assert "rgd_equal" in plan.table1_rows


def cifar10(**changes: Any) -> Plan:
    """The study of digits as one of CIFAR-10 with the paper's judges; what it is given has no hash of its own here."""
    given = {
        "data": {"source": "cifar10", "file": "./config.yaml"},
        "zero_shot": {"model": "./workflow"},
        "inception": {"weights": "./Makefile", "reference": "./README.md"},
    }
    return plan_of(**given | changes)


def test_what_a_class_study_is_given_goes_into_what_is_made_from_it(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    before = cifar10()
    plan = before.studies["digits"]
    assert plan.given_data.inputs == ("./config.yaml",)
    assert [place.path for place in plan.given_judges.values()] == ["./workflow", "./Makefile"]
    assert plan.given_reference.path == "./README.md"
    every = {path for path in before.expected() if "/digits/" in path}
    records = {path for path in every if path.endswith("records.csv")}
    judged = {path for path in every if "judged" in path}
    other = {"weights": "./LICENSE", "reference": "./README.md"}
    learned_from_the_near = {path for path in every if "_nearest/" in path or "/sets/nearest/" in path}
    stale = changed(before, cifar10(inception=other))
    assert judged | records <= stale
    assert stale <= judged | records | learned_from_the_near | {plan.similarity_file}
    assert changed(before, cifar10(inception={"weights": "./Makefile", "reference": "./LICENSE"})) == records
    fewer = {"weights": "./Makefile", "reference": "./README.md", "kernel_images": 50}
    assert changed(before, cifar10(inception=fewer)) == records
    assert changed(before, cifar10(data={"source": "cifar10", "file": "./LICENSE"})) == every


def test_inception_looks_only_at_images_that_distances_need(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    plan = cifar10().studies["digits"]
    assert "--distance-images 36 --target 3" in plan.judged(Cell("digits", "3", "rgd", "0")).options
    of_all = plan.judged(Cell("digits", ANY, "base", "0")).options
    assert "--distance-images 36" in of_all
    assert "--target" not in of_all
    assert "--keep-embeddings" in plan.judged_data().options
    without = plan_of().studies["digits"]
    assert without.judged(Cell("digits", "3", "rgd", "0")).options == "--device cpu"
    assert without.judged_data().options == "--device cpu"


def test_a_table_says_what_keeps_it_from_the_papers(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert plan_of().classes.table1_comparability == []
    mark, *words = cifar10().classes.table1_comparability
    assert mark == "--differs"
    assert "the base is not EDM's checkpoint" in words
    assert "CLIP or its sentences are not the paper's" in words
    assert "FID is not to EDM's reference" in words
    assert "100 images of the target, not 50,000" in words
    assert "324 images of the other classes, not 50,000" in words
    given = {
        "base": {"given": "edm_cifar10"},
        "zero_shot": {"batch": 1000},
        "inception": {"reference": "edm_fid_reference"},
        "sampling": {**MINIATURE["studies"]["digits"]["sampling"], "forget_images": 50000, "retain_images": 5556},
        "sets": {"retain_per_class": 50},
        "variants": {
            name: {**row, "targets": [0, 2, 5]} if name.endswith("_nearest") else row
            for name, row in MINIATURE["studies"]["digits"]["variants"].items()
            if name != "retrained"
        },
    }
    monkeypatch.setitem(MINIATURE["artefacts"]["classes"], "samples", ["rgd"])
    full = cifar10(**given).classes
    assert full.table1_comparability == full.table3_comparability == ["--comparable"]
    fewer = cifar10(**given, targets=[0, 2, 3, 5]).classes
    assert fewer.table1_comparability == ["--differs", "4 targets (0, 2, 3, 5), not the paper's 10"]
    assert fewer.table3_comparability == ["--comparable"]
