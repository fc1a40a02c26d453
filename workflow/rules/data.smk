"""In: nothing but the packages, or an archive of images. Out: the images that each study is about: to train on, and held
out."""


rule data:
    input:
        given=ancient(lambda wildcards: inputs_of(plan.of(wildcards).given_data)),
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
        kind=lambda wildcards: plan.of(wildcards).kind,
        given=lambda wildcards: option_of("file", plan.of(wildcards).given_data),
        job=lambda wildcards: str(plan.of(wildcards).data),
    message:
        "data: images of {wildcards.study}"
    shell:
        "python -m lethe.data {params.kind} --train {output.train} --test {output.test} {params.given} {params.job}"
        " > {log} 2>&1"
