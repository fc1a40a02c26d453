"""In: training images. Out: the forget set D_f and the retain set D_r of each target and training seed."""


rule sets:
    input:
        code=lambda wildcards: plan.sets(wildcards.study, wildcards.target, wildcards.seed).code,
        data="results/{preset}/{study}/data/train.safetensors",
    output:
        sets=ensure("results/{preset}/{study}/{target}/sets/seed{seed}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/sets/seed{seed}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/sets/seed{seed}.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda wildcards: str(plan.sets(wildcards.study, wildcards.target, wildcards.seed)),
    message:
        "sets: D_f and D_r for {wildcards.study} {wildcards.target}, seed {wildcards.seed}"
    shell:
        "python -m lethe.sets --data {input.data} --output {output.sets} {params.job} > {log} 2>&1"
