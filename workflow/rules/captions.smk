"""In: a model's images of listed captions, real photographs, Inception. Out: FID and KID to the photographs, and the
table captions. Made only when it is asked for: snakemake captions."""


rule real_images_text:
    input:
        given=ancient(
            lambda wildcards: inputs_of(
                plan.captions.photographs(wildcards.study), plan.captions.weights(wildcards.study)
            )
        ),
    output:
        features=ensure("results/{preset}/{study}/judge/photographs.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/photographs.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/photographs.jsonl"
    wildcard_constraints:
        study="|".join(plan.captions.plans),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        images=lambda wildcards: option_of("images", plan.captions.photographs(wildcards.study)),
        weights=lambda wildcards: option_of("weights", plan.captions.weights(wildcards.study)),
        job=lambda wildcards: str(plan.captions.real_images(wildcards.study)),
    message:
        "judge: looking at real photographs for {wildcards.study}"
    shell:
        "python -m lethe.judge photographs {params.images} {params.weights} --output {output.features} {params.job}"
        " > {log} 2>&1"


rule judge_captions:
    input:
        weights=ancient(lambda wildcards: inputs_of(plan.captions.weights(wildcards.study))),
        prompts="results/{preset}/{study}/{target}/prompts.csv",
        images="results/{preset}/{study}/{target}/{variant}/seed{seed}/images/shard{shard}.safetensors",
    output:
        features=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/judged_captions/shard{shard}.safetensors",
            non_empty=True,
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/judged_captions{shard}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/judged_captions{shard}.jsonl"
    wildcard_constraints:
        study="|".join(plan.captions.plans),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        weights=lambda wildcards: option_of("weights", plan.captions.weights(wildcards.study)),
        job=lambda wildcards: str(plan.captions.judged(plan.cell_of(wildcards))),
    message:
        "judge: captions of {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed},"
        " shard {wildcards.shard}"
    shell:
        "python -m lethe.judge captions --images {input.images} --prompts {input.prompts} {params.weights}"
        " --output {output.features} {params.job} > {log} 2>&1"


rule caption_distances:
    input:
        real="results/{preset}/{study}/judge/photographs.safetensors",
        judged=lambda wildcards: plan.captions.judged_files(plan.cell_of(wildcards)),
    output:
        records=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/captions.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/captions.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/captions.jsonl"
    wildcard_constraints:
        study="|".join(plan.captions.plans),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        job=lambda wildcards: str(plan.captions.distances(plan.cell_of(wildcards))),
    message:
        "captions: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m lethe.measure captions --judged {input.judged} --real {input.real} --output {output.records}"
        " {params.job} > {log} 2>&1"


rule captions:
    input:
        code=code_of_artefact("captions"),
        records=plan.captions.records,
    output:
        csv=report(
            f"{plan.root}/tables/captions.csv",
            caption="../report/captions.rst",
            category="Tables",
            labels={"what": "FID, KID and CLIP score on captions"},
        ),
        markdown=f"{plan.root}/tables/captions.md",
        tex=f"{plan.root}/tables/captions.tex",
    log:
        f"{plan.root}/logs/tables/captions.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/captions.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=plan.captions.options,
    message:
        "table: {output.markdown}"
    shell:
        "python -m lethe.artefacts captions --records {input.records} {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"
