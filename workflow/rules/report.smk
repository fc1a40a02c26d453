"""In: all tables, figures and model cards, the records and image sets behind them. Out: the report, one HTML file.

It has no benchmark: the report shows what is in the benchmark files, and the same results are to give the same bytes.
"""

from lethe.report.assembly import template_files
from lethe.report.pictures import image_files


rule report:
    input:
        code=modules_behind("lethe.report.__main__"),
        page=template_files(),
        artefacts=plan.artefacts(),
        records=those_there(path for study in plan.studies.values() for path in study.records()),
        images=those_there(image_files(plan)),
    output:
        html=ensure(f"{plan.root}/report.html", non_empty=True),
    log:
        f"{plan.root}/logs/report.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        # A function, since Snakemake would take the slots of a text study's sentences for wildcards.
        config=lambda wildcards: plan.config.model_dump_json(exclude_unset=True),
    message:
        "report: {output.html}"
    shell:
        "python -m lethe.report --config {params.config:q} --output {output.html} 2>&1 | tee {log}"
