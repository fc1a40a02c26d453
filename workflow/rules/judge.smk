"""In: real images. Out: the judge, its held-out accuracy, and its raw outputs on real and on generated images."""


rule judge_train:
    input:
        code=lambda wildcards: plan.judge(wildcards.study).code,
        data="results/{preset}/{study}/data/train.safetensors",
        held_out="results/{preset}/{study}/data/test.safetensors",
    output:
        judge=ensure("results/{preset}/{study}/judge/judge.safetensors", non_empty=True),
        report=ensure("results/{preset}/{study}/judge/accuracy.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judge_train.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judge_train.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        job=lambda wildcards: str(plan.judge(wildcards.study)),
    message:
        "judge: training the judge of {wildcards.study}"
    shell:
        "python -m lethe.judge train --data {input.data} --held-out {input.held_out} --judge {output.judge}"
        " --report {output.report} {params.job} > {log} 2>&1"


rule judge_data:
    input:
        code=lambda wildcards: plan.judged_data(wildcards.study).code,
        judge="results/{preset}/{study}/judge/judge.safetensors",
        images="results/{preset}/{study}/data/{split}.safetensors",
    output:
        judged=ensure("results/{preset}/{study}/data/judged_{split}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judged_{split}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judged_{split}.jsonl"
    wildcard_constraints:
        split="train|test",
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        job=lambda wildcards: str(plan.judged_data(wildcards.study)),
    message:
        "judge: looking at the real {wildcards.split} images of {wildcards.study}"
    shell:
        "python -m lethe.judge apply --judge {input.judge} --images {input.images} --output {output.judged}"
        " {params.job} > {log} 2>&1"


rule judge_images:
    input:
        code=lambda wildcards: plan.judged(plan.cell_of(wildcards)).code,
        judge="results/{preset}/{study}/judge/judge.safetensors",
        images=lambda wildcards: plan.shards(plan.cell_of(wildcards)),
    output:
        judged=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/judged.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/judge.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/judge.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        job=lambda wildcards: str(plan.judged(plan.cell_of(wildcards))),
    message:
        "judge: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.judge apply --judge {input.judge} --images {input.images} --output {output.judged}"
        " {params.job} > {log} 2>&1"
