"""What is wrong with a preset is said before any job, with its place and the nearest right name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe import preset_text
from lethe.config import load_config
from lethe.errors import LetheError

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def changed(path: str, value: Any, preset: dict[str, Any] = MINIATURE) -> dict[str, Any]:
    values = copy.deepcopy(preset)
    owner = values
    *groups, last = path.split(".")
    for group in groups:
        owner = owner[group]
    owner[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prest", "x", r"prest: there is no such key; did you mean 'preset'"),
        ("studies.digits.seedz", [1], r"studies\.digits\.seedz: there is no such key; did you mean 'seeds'"),
        ("studies.digits.base.network.width", [8], r"base\.network\.width: .* did you mean 'widths'"),
        ("studies.digits.variants.rgd", {"methods": "rgd"}, r"variants\.rgd\.methods: .* did you mean 'method'"),
        (
            "studies.digits.variants.rgd",
            {"method": "rgdd"},
            r"variants\.rgd\.method: .*no method 'rgdd'; did you mean 'rgd'",
        ),
        (
            "studies.digits.variants.rgd",
            {"method": "rgd", "settings": {"retain_wieght": 1}},
            r"retain_wieght: rgd has no such setting; did you mean 'retain_weight'",
        ),
        (
            "studies.digits.variants.rgd",
            {"method": "rgd", "settings": {"truncation": -1}},
            r"variants\.rgd\.settings\.truncation: .*greater than 0 \(is -1\)",
        ),
        (
            "studies.digits.variants.finetune",
            {"method": "finetune", "settings": {"as_released": True}},
            r"finetune has no defect to reproduce",
        ),
        ("studies.digits.variants.base", {"method": "base", "settings": {"steps": 1}}, r"it has no settings"),
        ("studies.digits.targets", [3, 11], r"targets: 11 is no class of digits \(0 to 9\)"),
        ("studies.digits.targets", [3, 3], r"names something twice"),
        ("studies.digits.variants.rg", {"method": "rg", "targets": [12]}, r"variants\.rg\.targets: '12' is no target"),
        ("studies.digits.sampling.steps", 1, r"sampling\.steps: .* \(is 1\)"),
        ("studies.digits.sampling.sigma_min", 90.0, r"sigma_min = 90.0 is not below sigma_max"),
        ("artefacts.classes.study", "digit", r"no study 'digit'; did you mean 'digits'"),
        ("artefacts.classes.study", "shapes", r"classes\.study: 'shapes' is a study of kind text, not class"),
        ("artefacts.classes.samples", ["rgdd"], r"artefacts\.classes\.samples: .* did you mean 'rgd'"),
        ("artefacts.classes.figure2", "finetune", r"classes\.figure2: 'finetune' has no pair of gradients"),
        ("artefacts.classes.trajectory", ["base"], r"classes\.trajectory: 'base' has no pair of gradients"),
        ("artefacts.classes.shown_target", 5, r"shown_target: 5 is not a target of 'retrained'; choose one of 1, 3, 8"),
        ("artefacts.classes.tradeoff", ["rgdd"], r"artefacts\.classes\.tradeoff: .* did you mean 'rgd'"),
        ("artefacts.classes.equal_compute.to", "rgg", r"equal_compute\.to: study digits has no variant 'rgg'; .* 'rg'"),
        ("artefacts.classes.equal_compute.to", "base", r"equal_compute\.to: 'base' is a control"),
        ("artefacts.classes.equal_compute.row", {}, r"equal_compute\.row: there is no such key; did you mean 'rows'"),
        (
            "artefacts.classes.equal_compute.rows",
            {"rgd": "rgd_eqal"},
            r"no variant 'rgd_eqal'; did you mean 'rgd_equal'",
        ),
        (
            "artefacts.classes.equal_compute.rows",
            {"salun": "rgd_equal"},
            r"rows\.salun: 'rgd_equal' is rgd, the row is sal",
        ),
        ("artefacts.classes.equal_compute.rows", {"rgd": "rgd"}, r"rows: each twin is a variant of its own"),
        (
            "studies.digits.variants.rg",
            {"method": "rg", "targets": [3]},
            r"rows\.rgd: 'rgd_equal' has the target 0, 'rg' has not",
        ),
        ("studies.digits.kind", "txt", r"studies\.digits\.kind: say class or text"),
        (
            "studies.digits.variants.rgd",
            {"method": "esd"},
            r"variants\.rgd\.method: ESD is not for studies of kind class: it steers away",
        ),
    ],
)
def test_a_fault_is_named_with_its_remedy(path, value, message):
    with pytest.raises(LetheError, match=message):
        load_config(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("studies.shapes.judge", {}, r"studies\.shapes\.judge: there is no such key; did you mean 'judges'"),
        ("studies.shapes.base.unet.width", [8], r"shapes\.base\.unet\.width: .* did you mean 'widths'"),
        ("studies.shapes.base.unet.widths", [8], r"shapes\.base\.unet: attention has 2 entries for 1 widths"),
        ("studies.shapes.targets.stripes.word", ["striped"], r"targets\.stripes\.word: .* did you mean 'words'"),
        ("studies.shapes.targets.stripes.train", {"colour": ["red"]}, r"stripes: test\.\w+: train has no such dim"),
        ("studies.shapes.targets.any", "stripes", r"targets\.any: this name is taken"),
        ("studies.shapes.variants.rgd.targets", ["stripe"], r"'stripe' is no target .*; did you mean 'stripes'"),
        ("studies.shapes.variants.base", {"method": "rgd"}, r"no row is the base, .*add base: {method: base}"),
        ("studies.shapes.variants.rgd.settings", {"pairs": 999}, r"rgd\.settings\.pairs: 999, but targets\.stripes\."),
        ("studies.shapes.variants.rgd.settings_for", {"red": {}}, r"rgd\.settings_for: 'red' is no target"),
        (
            "studies.shapes.variants.rgd.settings_for",
            {"stripes": {"pair": 3}},
            r"no such setting; did you mean 'pairs'",
        ),
        ("studies.shapes.variants.esd.settings", {"pairs": 8}, r"settings\.pairs: esd has no such setting"),
        ("studies.shapes.variants.rgd", {"method": "retrained"}, r"Retrained is not for studies of kind text"),
        ("studies.shapes.variants.finetune.settings", {"as_released": True}, "finetune has no defect to reproduce"),
        ("studies.shapes.measures.threshold", 1.0, r"measures\.threshold: .* \(is 1.0\)"),
        ("artefacts.text.study", "digits", r"text\.study: 'digits' is a study of kind class, not text"),
        ("artefacts.text.content", "stripe", r"text\.content: 'stripe' is no target .*; did you mean 'stripes'"),
        ("artefacts.text.published_as", {"stripe": "nudity"}, r"published_as\.stripe: 'stripe' is no target"),
        ("artefacts.text.table8", ["rgd_40"], r"text\.table8: .* no variant 'rgd_40'; did you mean 'rgd_400'"),
        ("artefacts.text.figure5", ["esd_u"], r"text\.style: van_gogh is not a target of 'esd_u'"),
        ("artefacts.text.style", None, r"text\.style: some artefact shows 'base' for it; name a target"),
        ("artefacts.text.retained", ["base"] * 5, r"text\.retained: .* at most 4"),
    ],
)
def test_a_fault_in_a_text_study_is_named_with_its_remedy(path, value, message):
    if path.endswith(".any"):
        value = MINIATURE["studies"]["shapes"]["targets"][value]
    with pytest.raises(LetheError, match=message):
        load_config(changed(path, value))


DOCO = yaml.safe_load((Path(__file__).parents[2] / "workflow/presets/doco.yaml").read_text())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("artefacts.doco.study", "shape", r"doco\.study: there is no study 'shape'; did you mean 'shapes'"),
        ("artefacts.doco.rows", ["rgd"], r"doco\.rows: no row is the base"),
        ("artefacts.doco.rows", ["base", "rgdd"], r"doco\.rows: .* no variant 'rgdd'; did you mean 'rgd'"),
        ("artefacts.doco.rows", ["base", "doco_release"], r"doco\.compared: 'doco_first_upload' is not among"),
        ("artefacts.doco.conflict", ["esd"], r"doco\.conflict: 'esd' has no pair of gradients"),
        ("artefacts.doco.conflict", ["base"], r"doco\.conflict: 'base' has no pair of gradients"),
        ("artefacts.doco.conflict_target", "rings", r"conflict_target: 'rings' is no target .*; did you mean 'ring'"),
        ("artefacts.doco.conflict_target", None, r"conflict_target: the figure conflict shows it; name a target"),
        (
            "studies.shapes.variants.doco_release.targets",
            ["van_gogh"],
            r"conflict_target: ring is not a target of .doco_release",
        ),
        (
            "studies.shapes.targets.stripes.anchor",
            None,
            r"variants\.concept_ablation: it learns from anchor prompts, but targets\.stripes has no anchor",
        ),
    ],
)
def test_a_fault_in_docos_experiments_is_named_with_its_remedy(path, value, message):
    with pytest.raises(LetheError, match=message):
        load_config(changed(path, value, DOCO))


def test_docos_tables_need_something_to_show():
    values = copy.deepcopy(DOCO)
    study = values["studies"]["shapes"]
    for concept in study["targets"].values():
        for key in ("anchor", "anchor_sentences", "neighbours", "outside"):
            concept.pop(key, None)
    study["variants"] = {name: row for name, row in study["variants"].items() if name in ("base", "rgd")}
    values["artefacts"]["doco"] = {"study": "shapes"}
    with pytest.raises(LetheError, match="has an anchor, neighbours or sentences outside"):
        load_config(values)
    study["targets"]["stripes"]["anchor"] = ""
    values["artefacts"]["doco"]["compared"] = ["rgd"]
    with pytest.raises(LetheError, match=r"compared: no target has sentences outside"):
        load_config(values)


def test_all_faults_are_reported_at_once():
    values = changed("studies.digits.seedz", [1])
    values["compte"] = {}
    with pytest.raises(LetheError, match=r"(?s)seedz.*compte|compte.*seedz"):
        load_config(values)


def test_settings_of_a_row_go_before_the_studys_and_these_before_the_methods():
    values = changed("studies.digits.variants.short", {"method": "rgd", "settings": {"steps": 7}})
    study = load_config(values).studies["digits"]
    settings = study.method_settings("short")
    assert settings.steps == 7, "the row's own"
    assert settings.learning_rate == MINIATURE["studies"]["digits"]["unlearn"]["learning_rate"], "the study's"
    assert settings.truncation == 0.1, "the method's default: the paper's alpha"
    assert settings.retain_weight == 5.0, "the method's default: the paper's lambda"


def test_a_row_has_the_settings_of_its_kind_of_study():
    studies = load_config(changed("studies.shapes.variants.rgd", {"method": "rgd"})).studies
    classes, text = (studies[name].method_settings("rgd") for name in ("digits", "shapes"))
    assert (classes.truncation, classes.retain_weight) == (0.1, 5.0)
    assert (text.truncation, text.retain_weight) == (1.5, 1.6)
    assert "pairs" not in type(classes).model_fields
    assert text.strategy == "diversified"


def test_settings_for_a_target_go_before_the_rows_own():
    row = {"method": "rgd", "settings": {"pairs": 4, "truncation": 0.5}, "settings_for": {"stripes": {"truncation": 2}}}
    study = load_config(changed("studies.shapes.variants.rgd", row)).studies["shapes"]
    settings = {target: study.method_settings("rgd", target) for target in ("stripes", "van_gogh", None)}
    assert {target: chosen.truncation for target, chosen in settings.items()} == {
        "stripes": 2,
        "van_gogh": 0.5,
        None: 0.5,
    }
    assert {chosen.pairs for chosen in settings.values()} == {4}


def test_a_row_is_of_the_studys_targets_or_of_its_own():
    study = load_config(MINIATURE).studies["shapes"]
    assert study.targets_of("rgd") == ("stripes", "van_gogh")
    assert study.targets_of("esd_x") == ("van_gogh",)
    assert load_config(MINIATURE).studies["digits"].targets_of("retrained") == ("1", "3", "8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"source": "cifar10"}}, "studies.digits.data: file: null, but cifar10 is read from an archive"),
        ({"data": {"file": "cifar10"}}, "studies.digits.data: file: 'cifar10', but digits come with scikit-learn"),
        ({"zero_shot": {"modle": "clip_b32"}}, "studies.digits.zero_shot.modle: there is no such key; .*'model'"),
        (
            {"zero_shot": {"prompt": "a photo"}},
            "studies.digits.zero_shot.prompt: 'a photo' has not one {}",
        ),
        ({"inception": {"front_ends": ["tf1", "tf1"]}}, "studies.digits.inception.front_ends: .* one is there twice"),
        ({"inception": {"front_ends": ["clean"]}}, "studies.digits.inception.front_ends.0: .*'clean'"),
        (
            {"inception": {"front_ends": ["pytorch"], "reference": "edm_fid_reference"}},
            "studies.digits.inception: front_ends: the moments of edm_fid_reference are of the front end tf1",
        ),
    ],
)
def test_a_fault_in_what_a_class_study_is_given_is_named(changes, message):
    values = copy.deepcopy(MINIATURE)
    values["studies"]["digits"].update(changes)
    with pytest.raises(LetheError, match=message):
        load_config(values)


def test_a_missing_key_is_named():
    values = copy.deepcopy(MINIATURE)
    del values["studies"]["digits"]["targets"]
    with pytest.raises(LetheError, match=r"studies\.digits\.targets: Field required"):
        load_config(values)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("judged_by", "shape", r"studies\.shapes3\.judged_by: there is no study 'shape'; did you mean 'shapes'"),
        ("judged_by", "digits", r"studies\.shapes3\.judged_by: 'digits' is a study of kind class, not text"),
        ("judged_by", "shapes3", r"judged_by: shapes3 has no judges of its own; say shapes3"),
        ("judged_by", None, r"studies\.shapes3: judges: null, and no judged_by"),
        ("data", {"seed": 1}, r"studies\.shapes3: data: this study has those of shapes \(judged_by\); leave them out"),
        ("sampling.sampler", "pndm", r"sampling\.sampler: pndm cannot draw from stable_diffusion_3; say euler"),
        ("base.pipeline", "sd3", r"studies\.shapes3\.base\.pipeline: say stable_diffusion or stable_diffusion_3"),
        ("base.transformer.layer", 2, r"shapes3\.base\.transformer\.layer: .* did you mean 'layers'"),
        ("base.unet", {}, r"studies\.shapes3\.base\.unet: there is no such key"),
        ("base.text_encoder.length", 30, r"text_encoder_2\.length is \d+, text_encoder\.length 30"),
        (
            "variants.esd",
            {"method": "esd", "settings": {"as_released": True}},
            r"esd\.settings\.as_released: the released code is for stable_diffusion, not for stable_diffusion_3",
        ),
    ],
)
def test_a_fault_in_a_study_of_a_flow_is_named_with_its_remedy(path, value, message):
    with pytest.raises(LetheError, match=message):
        load_config(changed(f"studies.shapes3.{path}", value))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("study", "digits", r"table7\.study: 'digits' is a study of kind class"),
        ("rows", ["rgdd"], r"table7\.rows: study shapes3 has no variant 'rgdd'"),
        ("target", "van_gogh", r"table7\.target: van_gogh is not a target of 'base'"),
    ],
)
def test_table7_shows_what_there_is(key, value, message):
    with pytest.raises(LetheError, match=message):
        load_config(changed(f"artefacts.text.table7.{key}", value))


def test_a_base_of_text_is_stable_diffusion_where_nothing_is_said():
    values = changed("studies.shapes.base", {"steps": 7})
    base = load_config(values).studies["shapes"].base
    assert (base.pipeline, base.steps, base.unet.heads) == ("stable_diffusion", 7, 4)


def test_a_target_has_what_its_file_says_and_what_is_said_besides() -> None:
    said = {"file": "workflow/published/nudity.yaml", "train_pairs": 400}
    values = changed("studies.shapes.targets.stripes", said)
    concept = load_config(values).studies["shapes"].targets["stripes"]
    assert (concept.title, concept.train_pairs, concept.test_pairs) == ("nudity", 400, 100)
    text = preset_text.render(load_config(values), "")
    assert "file: workflow/published/nudity.yaml" in text
    assert "joyful" not in text, "what the file says is not said again"
    assert yaml.safe_load(text)["studies"]["shapes"]["targets"]["stripes"] == said
    with pytest.raises(LetheError, match=r"targets\.stripes: file: no/such\.yaml: no such concept file; correct"):
        load_config(changed("studies.shapes.targets.stripes", {"file": "no/such.yaml"}))


def test_a_preset_says_where_its_values_are_from_and_what_was_cut() -> None:
    full, cut = load_config(MINIATURE), load_config(changed("studies.digits.unlearn.steps", 6))
    sources = {"studies.digits.unlearn.steps": "782 in train.py:160.", "studies.digits.sampling.*": "Ours."}
    text = preset_text.render(cut, "", preset_text.Sources(sources, full))
    assert "# Source: 782 in train.py:160. Here cut; paper: 60.\n      steps: 6\n" in text
    assert text.count("Here cut") == 1
    assert preset_text.Sources(sources).cited(("studies", "digits", "sampling", "rho"))
    assert not preset_text.Sources(sources).cited(("studies", "digits", "measures", "confidence"))
