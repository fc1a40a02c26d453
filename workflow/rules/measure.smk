"""In: the judges' raw outputs. Out: the records of each cell, one number a metric with interval and protocol, and the
cards of the unlearned models."""


rule measure:
    input:
        judged=lambda wildcards: plan.of(wildcards).judged_files(plan.cell_of(wildcards)),
        real="results/{preset}/{study}/data/judged_train.safetensors",
        held_out="results/{preset}/{study}/data/judged_test.safetensors",
        reference=ancient(lambda wildcards: inputs_of(plan.of(wildcards).given_reference)),
    output:
        records=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/records.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/measure.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/measure.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
    conda:
        "../../envs/cpu.yaml"
    threads: lambda wildcards: compute.threads if plan.of(wildcards).study.inception else 1
    resources:
        mem_mb=lambda wildcards: compute.memory_mb if plan.of(wildcards).study.inception else 1000,
        runtime=lambda wildcards: compute.minutes if plan.of(wildcards).study.inception else 10,
    params:
        reference=lambda wildcards: option_of("reference", plan.of(wildcards).given_reference),
        job=lambda wildcards: str(plan.of(wildcards).measure(plan.cell_of(wildcards))),
    message:
        "measure: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.measure class --judged {input.judged} --real {input.real} --held-out {input.held_out}"
        " {params.reference} --output {output.records} {params.job} > {log} 2>&1"


rule measure_text:
    input:
        judged=lambda wildcards: plan.of(wildcards).judged_files(plan.cell_of(wildcards)),
        base_judged=lambda wildcards: plan.of(wildcards).judged_files(
            plan.of(wildcards).base_cell(plan.cell_of(wildcards))
        ),
        prompts="results/{preset}/{study}/{target}/prompts.csv",
    output:
        records=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/records.csv", non_empty=True),
        curve=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/threshold.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/measure.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/measure.jsonl"
    wildcard_constraints:
        study=plan.studies_of("text"),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda wildcards: str(plan.of(wildcards).measure(plan.cell_of(wildcards))),
    message:
        "measure: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.measure text --judged {input.judged} --base-judged {input.base_judged} --prompts {input.prompts}"
        " --output {output.records} --threshold-curve {output.curve} {params.job} > {log} 2>&1"


rule card:
    input:
        code=modules_behind("lethe.card"),
        model=lambda wildcards: plan.of(wildcards).model_inputs(plan.cell_of(wildcards)),
        records="results/{preset}/{study}/{target}/{variant}/seed{seed}/records.csv",
    output:
        card=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/model/README.md", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/card.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/card.jsonl"
    wildcard_constraints:
        study=plan.studies_making("unlearn", "import"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        kind=lambda wildcards: plan.of(wildcards).kind,
        origin=lambda wildcards: plan.of(wildcards).origin,
        model=lambda wildcards: plan.of(wildcards).model_folder(plan.cell_of(wildcards)),
    message:
        "card: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.card --kind {params.kind} --model {params.model} --records {input.records}"
        " {params.origin} --output {output.card} > {log} 2>&1"
