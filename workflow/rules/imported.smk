"""In: a model that others have unlearned from the base, and the base. Out: a model folder like those of the unlearn
stage; for text also its own embeddings of the prompts, since its text encoder may be another than the base's."""


rule imported:
    input:
        base=lambda wildcards: plan.of(wildcards).base_files,
        # The user's own files are read again when they have changed; what was downloaded does not change.
        files=lambda wildcards: plan.of(wildcards).import_files(plan.cell_of(wildcards)),
        asset=ancient(lambda wildcards: plan.of(wildcards).import_assets(plan.cell_of(wildcards))),
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "edm"),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/imported.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/imported.jsonl"
    wildcard_constraints:
        study=plan.studies_making("import", family="edm"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        family=lambda wildcards: plan.of(wildcards).family,
        base="results/{preset}/{study}/base/model",
        folder="results/{preset}/{study}/{target}/{variant}/seed{seed}/model",
        job=lambda wildcards: str(plan.of(wildcards).imported_model(plan.cell_of(wildcards))),
    message:
        "imported: {wildcards.variant} for {wildcards.study} {wildcards.target}, seed {wildcards.seed}"
    shell:
        "python -m lethe.imported {params.family} --base {params.base} --model {params.folder} {params.job} > {log} 2>&1"


use rule imported as imported_stable_diffusion with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "stable_diffusion"),
    wildcard_constraints:
        study=plan.studies_making("import", family="stable_diffusion"),


use rule imported as imported_stable_diffusion_3 with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "stable_diffusion_3"),
    wildcard_constraints:
        study=plan.studies_making("import", family="stable_diffusion_3"),


use rule embeddings as imported_embeddings with:
    input:
        model=lambda wildcards: plan.of(wildcards).model_inputs(plan.cell_of(wildcards)),
        t5=ancient(lambda wildcards: plan.of(wildcards).t5_files),
        prompts="results/{preset}/{study}/{target}/prompts.csv",
    output:
        embeddings=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/embeddings.safetensors", non_empty=True
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/embeddings.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/embeddings.jsonl"
    wildcard_constraints:
        study=plan.studies_making("import", kind="text"),
    params:
        model="results/{preset}/{study}/{target}/{variant}/seed{seed}/model",
        job=lambda wildcards: str(plan.of(wildcards).embeddings(wildcards.target, plan.cell_of(wildcards))),
    message:
        "embeddings: prompts of {wildcards.study} {wildcards.target} for {wildcards.variant}, seed {wildcards.seed}"
