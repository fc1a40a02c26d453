"""What is made again after which change: each trap of the engine has its test."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from conftest import of_study

pytestmark = pytest.mark.workflow

PRESET = "workflow/presets/smoke.yaml"
SALUN = [
    "card: digits 3 salun, seed 0",
    "judge: digits 3 salun, seed 0, shard 0000",
    "measure: digits 3 salun, seed 0",
    "sample: digits 3 salun, seed 0, shard 0000",
    "table1: results/smoke/tables/table1.md",
    "tradeoff: results/smoke/figures/tradeoff.pdf",
    "unlearn: salun forgets digits 3, seed 0",
]
SALUN_OF_BOTH = sorted(
    [
        *SALUN,
        "card: shapes stripes salun, seed 0",
        "cost: results/smoke/tables/cost.md",
        *(f"figure: results/smoke/figures/{name}.png" for name in ("figure1", "figure3", "figure4", "threshold")),
        "figure: results/smoke/figures/tradeoff_text.png",
        "judge: shapes stripes salun, seed 0, shard 0000",
        "measure: shapes stripes salun, seed 0",
        "sample: shapes stripes salun, seed 0, shard 0000",
        "table: results/smoke/tables/table2.md",
        "unlearn: salun forgets shapes stripes, seed 0",
    ]
)


def test_touching_a_module_reruns_nothing(made):
    for path in (made.path / "workflow/lethe").rglob("*.py"):
        os.utime(path)
    assert made.planned() == []


def test_editing_a_methods_module_reruns_its_cells(made):
    made.edit("workflow/lethe/methods/salun.py", lambda text: text + "\n# edited\n")
    assert made.planned() == SALUN_OF_BOTH


def test_changing_a_methods_setting_reruns_its_cells(made):
    made.edit(
        PRESET,
        lambda text: text.replace("salun: {method: salun}", "salun: {method: salun, settings: {learning_rate: 0.002}}"),
    )
    assert made.planned() == SALUN


def test_editing_what_a_module_imports_reruns_its_cells(made):
    """salun alone imports the masks, by way of its module: the closure of imports must reach them."""
    made.edit("workflow/lethe/masks.py", lambda text: text + "\n# edited\n")
    assert made.planned() == SALUN_OF_BOTH


@pytest.mark.parametrize(
    ("name", "before", "after", "study"),
    [
        ("workflow/lethe/models/edm.py", "import annotations", "import annotations  # edited", "digits"),
        ("workflow/lethe/models/stable_diffusion.py", "import annotations", "import annotations  # edited", "shapes"),
        ("workflow/lethe/models/stable_diffusion3.py", "import annotations", "import annotations  # edited", "shapes3"),
        (PRESET, "sigma_max: 80.0", "sigma_max: 40.0", "digits"),
        (PRESET, "guidance: 4.0", "guidance: 3.0", "shapes"),
    ],
)
def test_an_edit_for_one_study_reruns_nothing_of_the_other(made, name, before, after, study):
    made.edit(name, lambda text: text.replace(before, after, 1))
    planned = made.planned()
    assert [job for job in planned if job.startswith("sample: ")]
    assert of_study(study, planned) == planned


def test_a_concepts_words_rerun_its_target_only(made):
    made.edit(PRESET, lambda text: text.replace("words: [striped, banded]", "words: [striped, lined]", 1))
    planned = made.planned()
    assert {"prompts: shapes stripes", "embeddings: prompts of shapes stripes"} < set(planned)
    assert {job for job in planned if job.startswith("unlearn")} == {
        f"unlearn: {variant} forgets shapes stripes, seed 0"
        for variant in ("salun", "rg", "rgd", "rgd_400", "doco_first_upload")
    }
    artefacts = [job for job in planned if job.startswith(("table", "figure", "cost"))]
    assert artefacts
    assert not [job for job in artefacts if re.search("(table5|table6|figure5)[.]", job)]
    assert all(" stripes" in job for job in planned if job not in artefacts), planned


def test_another_threshold_looks_at_no_image_again(made):
    made.edit(PRESET, lambda text: text.replace("threshold: 0.6", "threshold: 0.7", 1))
    controls = ["stripes base", "van_gogh base", "stripes destroyed"]
    of_stripes = ("salun", "rg", "rgd", "rgd_400", "doco_first_upload")
    unlearned = ["van_gogh esd_x", "van_gogh rgd", *(f"stripes {name}" for name in of_stripes)]
    assert made.planned() == sorted(
        [
            *(f"measure: shapes {cell}, seed 0" for cell in controls + unlearned),
            *(f"card: shapes {cell}, seed 0" for cell in unlearned),
            *(f"table: results/smoke/tables/{name}.md" for name in ("table2", "table4", "table8")),
            *(f"table: results/smoke/tables/{name}.md" for name in ("doco", "outside")),
            *(f"figure: results/smoke/figures/{name}.png" for name in ("figure4", "threshold", "tradeoff_text")),
        ]
    )


def test_threads_and_memory_rerun_nothing(made):
    made.edit(PRESET, lambda text: text.replace("threads: 1", "threads: 2"))
    made.edit(PRESET, lambda text: text.replace("memory_mb: 2000", "memory_mb: 3000"))
    assert made.planned() == []


def test_a_new_target_makes_only_its_cells(made):
    made.edit(PRESET, lambda text: text.replace("targets: [3]", "targets: [3, 5]"))
    planned = made.planned()
    assert any(job.startswith("unlearn: rgd forgets digits 5") for job in planned)
    cells = [job for job in planned if job.startswith(("sets", "unlearn", "retrained", "sample", "judge", "measure"))]
    assert cells
    assert all(" 5" in job for job in cells), cells
    assert not [job for job in planned if job.startswith(("base", "data"))]
    assert of_study("shapes", planned) == []


def test_a_lost_history_is_noticed_by_verify(made):
    """Without .snakemake a changed parameter is invisible to Snakemake; the fingerprints tell."""
    shutil.rmtree(made.path / ".snakemake")
    made.edit(
        PRESET,
        lambda text: text.replace("salun: {method: salun}", "salun: {method: salun, settings: {learning_rate: 0.002}}"),
    )
    done = made.run("verify", check=False)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "stale: results/smoke/digits/3/salun/seed0/model/diffusion_pytorch_model.safetensors" in output
    assert "digits/3/rgd" not in output.split("results come from other settings")[1].split("remedy")[0]
