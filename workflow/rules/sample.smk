"""In: a model. Out: its image set, made once and shared by every metric; a big one in shards, each a job."""


rule sample:
    input:
        code=lambda wildcards: plan.sample(plan.cell_of(wildcards)).code,
        config=lambda wildcards: f"{plan.model_folder(plan.cell_of(wildcards))}/config.json",
        weights=lambda wildcards: f"{plan.model_folder(plan.cell_of(wildcards))}/diffusion_pytorch_model.safetensors",
    output:
        images=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/images/shard{shard}.safetensors", non_empty=True
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/sample{shard}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/sample{shard}.jsonl"
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        model=subpath(input.weights, parent=True),
        job=lambda wildcards: str(plan.sample(plan.cell_of(wildcards))),
    message:
        "sample: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}, shard {wildcards.shard}"
    shell:
        "python -m lethe.sample --model {params.model} --shard {wildcards.shard} --output {output.images}"
        " {params.job} > {log} 2>&1"
