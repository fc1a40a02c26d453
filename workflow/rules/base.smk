"""In: training images, or a model that is given. Out: the base model of each study, and the control that never saw the
target."""


rule base:
    input:
        data=lambda wildcards: plan.of(wildcards).data_file("train"),
    output:
        model_output("results/{preset}/{study}/base/model", "edm"),
    log:
        "results/{preset}/logs/{study}/base.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/base.jsonl"
    wildcard_constraints:
        study=plan.studies_of_family("edm", "trained"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        family=lambda wildcards: plan.of(wildcards).family,
        folder="results/{preset}/{study}/base/model",
        state="results/{preset}/state/{study}/base.safetensors",
        job=lambda wildcards: str(plan.of(wildcards).base()),
    message:
        "base: training the base model of {wildcards.study}"
    shell:
        "python -m lethe.base {params.family} --data {input.data} --model {params.folder} --state {params.state}"
        " {params.job} > {log} 2>&1"


use rule base as base_stable_diffusion with:
    output:
        model_output("results/{preset}/{study}/base/model", "stable_diffusion"),
    wildcard_constraints:
        study=plan.studies_of_family("stable_diffusion", "trained"),


use rule base as base_stable_diffusion_3 with:
    output:
        model_output("results/{preset}/{study}/base/model", "stable_diffusion_3"),
    wildcard_constraints:
        study=plan.studies_of_family("stable_diffusion_3", "trained"),


rule given_base:
    input:
        given=ancient(lambda wildcards: [file for place in plan.of(wildcards).given_base for file in place.inputs]),
        data=lambda wildcards: plan.of(wildcards).base_data,
    output:
        model_output("results/{preset}/{study}/base/model", "stable_diffusion"),
    log:
        "results/{preset}/logs/{study}/base.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/base.jsonl"
    wildcard_constraints:
        study=plan.studies_of_family("stable_diffusion", "given"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        family=lambda wildcards: plan.of(wildcards).family,
        data=lambda wildcards, input: f"--data {input.data}" if input.get("data") else "",
        folder="results/{preset}/{study}/base/model",
        job=lambda wildcards: str(plan.of(wildcards).base()),
    message:
        "base: the model that is given for {wildcards.study}"
    shell:
        "python -m lethe.base given_{params.family} {params.data} --model {params.folder} {params.job} > {log} 2>&1"


use rule given_base as given_base_edm with:
    output:
        model_output("results/{preset}/{study}/base/model", "edm"),
    wildcard_constraints:
        study=plan.studies_of_family("edm", "given"),


use rule given_base as given_base_stable_diffusion_3 with:
    output:
        model_output("results/{preset}/{study}/base/model", "stable_diffusion_3"),
    wildcard_constraints:
        study=plan.studies_of_family("stable_diffusion_3", "given"),


use rule base as retrained with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "edm"),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/retrained.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/retrained.jsonl"
    wildcard_constraints:
        study=plan.studies_making("base", kind="class"),
    params:
        family=lambda wildcards: plan.of(wildcards).family,
        folder="results/{preset}/{study}/{target}/{variant}/seed{seed}/model",
        state="results/{preset}/state/{study}/{target}/{variant}/seed{seed}.safetensors",
        job=lambda wildcards: str(plan.of(wildcards).base(wildcards.target)),
    message:
        "retrained: training a model of {wildcards.study} that never saw {wildcards.target}"
