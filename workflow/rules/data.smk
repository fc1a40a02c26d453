"""In: nothing but the packages. Out: the real images of each study, split into train and test."""


rule data:
    input:
        code=lambda wildcards: plan.data(wildcards.study).code,
    output:
        train=ensure("results/{preset}/{study}/data/train.safetensors", non_empty=True),
        test=ensure("results/{preset}/{study}/data/test.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/data.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/data.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda wildcards: str(plan.data(wildcards.study)),
    message:
        "data: real images of {wildcards.study}"
    shell:
        "python -m lethe.data --train {output.train} --test {output.test} {params.job} > {log} 2>&1"
