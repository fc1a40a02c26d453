"""In: a model, for text also prompts. Out: its image set, made once and shared by every metric; a big one in shards,
each a job."""


rule sample:
    input:
        model=lambda wildcards: plan.of(wildcards).model_inputs(plan.cell_of(wildcards)),
        prompts=lambda wildcards: plan.of(wildcards).prompts_files(plan.cell_of(wildcards)),
        embeddings=lambda wildcards: plan.of(wildcards).embeddings_files(plan.cell_of(wildcards)),
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
        kind=lambda wildcards: plan.of(wildcards).kind,
        model=lambda wildcards: plan.of(wildcards).model_folder(plan.cell_of(wildcards)),
        prompts=lambda wildcards, input: f"--prompts {input.prompts}" if input.get("prompts") else "",
        embeddings=lambda wildcards, input: f"--embeddings {input.embeddings}" if input.get("embeddings") else "",
        job=lambda wildcards: str(plan.of(wildcards).sample(plan.cell_of(wildcards))),
    message:
        "sample: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}, shard {wildcards.shard}"
    shell:
        "python -m lethe.sample {params.kind} --model {params.model} {params.prompts} {params.embeddings}"
        " --shard {wildcards.shard} --output {output.images} {params.job} > {log} 2>&1"
