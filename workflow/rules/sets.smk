"""In: training images, for D_r of the nearest classes their similarity too (classes), or the base and a target's concept
(text). Out: the forget set D_f and the retain set D_r of each target; for text also its prompts and their embeddings.
"""


rule sets:
    input:
        data="results/{preset}/{study}/data/train.safetensors",
        similarity=lambda wildcards: plan.of(wildcards).similarity_inputs(wildcards.strategy),
    output:
        sets=ensure("results/{preset}/{study}/{target}/sets/{strategy}/seed{seed}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/sets/{strategy}/seed{seed}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/sets/{strategy}/seed{seed}.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
        strategy="balanced|nearest",
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        similarity=lambda wildcards, input: f"--similarity {input.similarity}" if input.get("similarity") else "",
        job=lambda wildcards: str(plan.of(wildcards).sets(wildcards.target, wildcards.strategy, wildcards.seed)),
    message:
        "sets: D_f and D_r for {wildcards.study} {wildcards.target}, {wildcards.strategy}, seed {wildcards.seed}"
    shell:
        "python -m lethe.sets class --data {input.data} {params.similarity} --output {output.sets} {params.job} > {log} 2>&1"


rule prompts:
    input:
        listed=ancient(lambda wildcards: plan.of(wildcards).listed_inputs(wildcards.target)),
    output:
        prompts=ensure("results/{preset}/{study}/{target}/prompts.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/prompts.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/prompts.jsonl"
    wildcard_constraints:
        study=plan.studies_of("text"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        concept=lambda wildcards: plan.of(wildcards).prompts(wildcards.target).options,
    message:
        "prompts: {wildcards.study} {wildcards.target}"
    shell:
        "python -m lethe.prompts --output {output.prompts} {params.concept} > {log} 2>&1"


rule embeddings:
    input:
        model=lambda wildcards: plan.of(wildcards).base_files,
        t5=ancient(lambda wildcards: plan.of(wildcards).t5_files),
        prompts="results/{preset}/{study}/{target}/prompts.csv",
    output:
        embeddings=ensure("results/{preset}/{study}/{target}/embeddings.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/embeddings.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/embeddings.jsonl"
    wildcard_constraints:
        study=plan.studies_of("text"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        model="results/{preset}/{study}/base/model",
        job=lambda wildcards: str(plan.of(wildcards).embeddings(wildcards.target)),
    message:
        "embeddings: prompts of {wildcards.study} {wildcards.target}"
    shell:
        "python -m lethe.sets text embed --model {params.model} --prompts {input.prompts} --output {output.embeddings}"
        " {params.job} > {log} 2>&1"


rule training_images:
    input:
        model=lambda wildcards: plan.of(wildcards).base_files,
        prompts="results/{preset}/{study}/{target}/prompts.csv",
        embeddings="results/{preset}/{study}/{target}/embeddings.safetensors",
    output:
        images=ensure("results/{preset}/{study}/{target}/sets/{strategy}/shard{shard}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/sets/{strategy}/shard{shard}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/sets/{strategy}/shard{shard}.jsonl"
    wildcard_constraints:
        study=plan.studies_of("text"),
        strategy="diversified|uniform|anchored",
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        model="results/{preset}/{study}/base/model",
        job=lambda wildcards: str(plan.of(wildcards).training_images(wildcards.target, wildcards.strategy)),
    message:
        "training images: {wildcards.study} {wildcards.target}, {wildcards.strategy}, shard {wildcards.shard}"
    shell:
        "python -m lethe.sample text --model {params.model} --prompts {input.prompts} --embeddings {input.embeddings}"
        " --shard {wildcards.shard} --output {output.images} {params.job} > {log} 2>&1"


rule encode:
    input:
        model=lambda wildcards: plan.of(wildcards).base_files,
        prompts="results/{preset}/{study}/{target}/prompts.csv",
        images=lambda wildcards: plan.of(wildcards).training_shards(wildcards.target, wildcards.strategy),
    output:
        sets=ensure("results/{preset}/{study}/{target}/sets/{strategy}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/sets/{strategy}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/sets/{strategy}.jsonl"
    wildcard_constraints:
        study=plan.studies_of("text"),
        strategy="diversified|uniform|anchored",
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        model="results/{preset}/{study}/base/model",
        job=lambda wildcards: str(plan.of(wildcards).sets(wildcards.target, wildcards.strategy)),
    message:
        "sets: D_f and D_r for {wildcards.study} {wildcards.target}, {wildcards.strategy}"
    shell:
        "python -m lethe.sets text encode --model {params.model} --prompts {input.prompts} --images {input.images}"
        " --output {output.sets} {params.job} > {log} 2>&1"
