"""In: the base model, D_f and D_r. Out: the unlearned model, its trajectory, the conflict by tensor, the cost."""


rule unlearn:
    input:
        base=lambda wildcards: plan.of(wildcards).base_files,
        sets=lambda wildcards: plan.of(wildcards).sets_files(plan.cell_of(wildcards)),
        embeddings=lambda wildcards: plan.of(wildcards).embeddings_files(plan.cell_of(wildcards)),
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "edm"),
        trajectory=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/trajectory.csv", non_empty=True),
        conflict=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/conflict.safetensors", non_empty=True),
        cost=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/cost.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/unlearn.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/unlearn.jsonl"
    wildcard_constraints:
        study=plan.studies_making("unlearn", kind="class"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        base="results/{preset}/{study}/base/model",
        sets=lambda wildcards, input: f"--sets {input.sets}" if input.get("sets") else "",
        embeddings=lambda wildcards, input: f"--embeddings {input.embeddings}" if input.get("embeddings") else "",
        folder="results/{preset}/{study}/{target}/{variant}/seed{seed}/model",
        state="results/{preset}/state/{study}/{target}/{variant}/seed{seed}.safetensors",
        kind=lambda wildcards: plan.of(wildcards).kind,
        method=lambda wildcards: plan.of(wildcards).method_of(plan.cell_of(wildcards)),
        job=lambda wildcards: str(plan.of(wildcards).unlearn(plan.cell_of(wildcards))),
    message:
        "unlearn: {wildcards.variant} forgets {wildcards.study} {wildcards.target}, seed {wildcards.seed}"
    shell:
        "python -m lethe.unlearn {params.kind} {params.method} --base {params.base} {params.sets} {params.embeddings}"
        " --model {params.folder} --trajectory {output.trajectory} --conflict {output.conflict}"
        " --cost {output.cost} --state {params.state} {params.job} > {log} 2>&1"


use rule unlearn as unlearn_stable_diffusion with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "stable_diffusion"),
        trajectory=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/trajectory.csv", non_empty=True),
        conflict=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/conflict.safetensors", non_empty=True),
        cost=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/cost.json", non_empty=True),
    wildcard_constraints:
        study=plan.studies_making("unlearn", family="stable_diffusion"),


use rule unlearn as unlearn_stable_diffusion_3 with:
    output:
        model_output("results/{preset}/{study}/{target}/{variant}/seed{seed}/model", "stable_diffusion_3"),
        trajectory=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/trajectory.csv", non_empty=True),
        conflict=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/conflict.safetensors", non_empty=True),
        cost=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/cost.json", non_empty=True),
    wildcard_constraints:
        study=plan.studies_making("unlearn", family="stable_diffusion_3"),
