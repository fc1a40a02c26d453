"""In: training images. Out: the base model of each study, and the control that never saw the target."""


rule base:
    input:
        code=lambda wildcards: plan.of(wildcards).base().code,
        data="results/{preset}/{study}/data/train.safetensors",
    output:
        model_output("results/{preset}/{study}/base/model", "class"),
    log:
        "results/{preset}/logs/{study}/base.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/base.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        kind=lambda wildcards: plan.of(wildcards).kind,
        folder="results/{preset}/{study}/base/model",
        state="results/{preset}/state/{study}/base.safetensors",
        job=lambda wildcards: str(plan.of(wildcards).base()),
    message:
        "base: training the base model of {wildcards.study}"
    shell:
        "python -m lethe.base {params.kind} --data {input.data} --model {params.folder} --state {params.state}"
        " {params.job} > {log} 2>&1"


use rule base as base_text with:
    output:
        model_output("results/{preset}/{study}/base/model", "text"),
    wildcard_constraints:
        study=plan.studies_of("text"),


use rule base as retrained with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "class"),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/retrained.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/retrained.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
        variant=plan.variants_made_by("base"),
    params:
        kind=lambda wildcards: plan.of(wildcards).kind,
        folder="results/{preset}/{study}/{target}/{variant}/seed{seed}/model",
        state="results/{preset}/state/{study}/{target}/{variant}/seed{seed}.safetensors",
        job=lambda wildcards: str(plan.of(wildcards).base(wildcards.target)),
    message:
        "retrained: training a model of {wildcards.study} that never saw {wildcards.target}"
