"""In: the judge's raw outputs. Out: the records of each cell: one number a metric, with interval and protocol."""


rule measure:
    input:
        code=lambda wildcards: plan.measure(plan.cell_of(wildcards)).code,
        judged=lambda wildcards: f"{plan.folder(plan.model_of(plan.cell_of(wildcards)))}/judged.safetensors",
        real="results/{preset}/{study}/data/judged_train.safetensors",
        held_out="results/{preset}/{study}/data/judged_test.safetensors",
    output:
        records=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/records.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/measure.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/measure.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda wildcards: str(plan.measure(plan.cell_of(wildcards))),
    message:
        "measure: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.measure --judged {input.judged} --real {input.real} --held-out {input.held_out}"
        " --output {output.records} {params.job} > {log} 2>&1"
