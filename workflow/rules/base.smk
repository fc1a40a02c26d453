"""In: training images. Out: the base model of each study, and the control that never saw the target."""


rule base:
    input:
        code=lambda wildcards: plan.base(wildcards.study).code,
        data="results/{preset}/{study}/data/train.safetensors",
    output:
        config=ensure("results/{preset}/{study}/base/model/config.json", non_empty=True),
        weights=ensure("results/{preset}/{study}/base/model/diffusion_pytorch_model.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/base.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/base.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        folder=subpath(output.weights, parent=True),
        state="results/{preset}/state/{study}/base.safetensors",
        job=lambda wildcards: str(plan.base(wildcards.study)),
    message:
        "base: training the base model of {wildcards.study}"
    shell:
        "python -m lethe.base --data {input.data} --model {params.folder} --state {params.state} {params.job} > {log} 2>&1"


rule retrained:
    input:
        code=lambda wildcards: plan.base(wildcards.study).code,
        data="results/{preset}/{study}/data/train.safetensors",
    output:
        config=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/model/config.json", non_empty=True),
        weights=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/model/diffusion_pytorch_model.safetensors",
            non_empty=True,
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/retrained.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/retrained.jsonl"
    wildcard_constraints:
        variant=plan.variants_made_by("base"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        folder=subpath(output.weights, parent=True),
        state="results/{preset}/state/{study}/{target}/{variant}/seed{seed}.safetensors",
        job=lambda wildcards: str(plan.base(wildcards.study, wildcards.target)),
    message:
        "retrained: training a model of {wildcards.study} that never saw {wildcards.target}"
    shell:
        "python -m lethe.base --data {input.data} --model {params.folder} --state {params.state} {params.job} > {log} 2>&1"
