"""In: a model's images. Out: the image metrics of the studies that have some, and their table."""


rule image_metrics:
    input:
        beside=lambda wildcards: [
            path for files in plan.metrics.beside(plan.cell_of(wildcards)).values() for path in files
        ],
        images=lambda wildcards: plan.of(wildcards).shards(plan.cell_of(wildcards)),
    output:
        records=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/metrics.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/metrics.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/metrics.jsonl"
    wildcard_constraints:
        study="|".join(plan.metrics.plans),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        kind=lambda wildcards: plan.of(wildcards).kind,
        beside=lambda wildcards: [
            word for item in plan.metrics.beside(plan.cell_of(wildcards)).items() for word in (item[0], *item[1])
        ],
        job=lambda wildcards: str(plan.metrics.job(plan.cell_of(wildcards))),
    message:
        "image metrics: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.measure metrics {params.kind} --images {input.images} {params.beside:q}"
        " --output {output.records} {params.job} > {log} 2>&1"


rule metrics:
    input:
        code=code_of_artefact("metrics"),
        records=plan.metrics.records,
    output:
        csv=report(
            f"{plan.root}/tables/metrics.csv",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"what": "image metrics"},
        ),
        markdown=f"{plan.root}/tables/metrics.md",
        tex=f"{plan.root}/tables/metrics.tex",
    log:
        f"{plan.root}/logs/tables/metrics.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/metrics.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=plan.metrics.options,
    message:
        "table: {output.markdown}"
    shell:
        "python -m lethe.artefacts metrics --records {input.records} {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"
