"""Lethe: make diffusion models forget, and measure what they still remember.

`snakemake --cores all` makes the miniature (config.yaml); `--configfile workflow/presets/NAME.yaml` another preset.
Any table or figure can be asked for by its name: `snakemake --cores all table1`.
"""

import sys

from snakemake.utils import min_version

min_version("9.20")


# A preset given on the command line stands alone; config.yaml is read only where there is none.
if "preset" not in config:

    configfile: "config.yaml"


from lethe.config import load_config
from lethe.environment import keep_freed_memory, put_this_python_first
from lethe.errors import LetheError
from lethe.plan import Plan
from lethe.publish.source import source_of

put_this_python_first()
keep_freed_memory()

try:
    plan = Plan(load_config(config))
    published = source_of(plan.config)
except LetheError as error:
    sys.exit(f"lethe: error: {error}")

compute = plan.config.compute


wildcard_constraints:
    preset=plan.config.preset,
    study="|".join(plan.config.studies),
    target=plan.targets,
    variant=plan.variants,
    seed=r"\d+",
    shard=r"\d{4}",


rule all:
    default_target: True
    input:
        plan.artefacts(),


include: "workflow/rules/common.smk"


# Drawing from published records needs none of the stages that compute them.
if published is None:

    include: "workflow/rules/assets.smk"
    include: "workflow/rules/data.smk"
    include: "workflow/rules/base.smk"
    include: "workflow/rules/sets.smk"
    include: "workflow/rules/unlearn.smk"
    include: "workflow/rules/imported.smk"
    include: "workflow/rules/sample.smk"
    include: "workflow/rules/judge.smk"
    include: "workflow/rules/measure.smk"


include: "workflow/rules/artefacts.smk"


if plan.classes is not None:

    include: "workflow/rules/artefacts_classes.smk"


if plan.text is not None:

    include: "workflow/rules/artefacts_text.smk"


if plan.laboratory is not None:

    include: "workflow/rules/artefacts_laboratory.smk"


if plan.doco is not None:

    include: "workflow/rules/artefacts_doco.smk"


if plan.quirks is not None:

    include: "workflow/rules/artefacts_quirks.smk"


if plan.metrics.tables():

    include: "workflow/rules/metrics.smk"


if published is None and plan.captions.tables():

    include: "workflow/rules/captions.smk"


include: "workflow/rules/report.smk"


if published is None:

    include: "workflow/rules/publish.smk"

else:

    include: "workflow/rules/published.smk"
