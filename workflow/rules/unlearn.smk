"""In: the base model, D_f and D_r. Out: the unlearned model with its card, its trajectory and what it cost."""


rule unlearn:
    input:
        code=lambda wildcards: plan.unlearn(plan.cell_of(wildcards)).code,
        config="results/{preset}/{study}/base/model/config.json",
        weights="results/{preset}/{study}/base/model/diffusion_pytorch_model.safetensors",
        sets=lambda wildcards: plan.sets_files(plan.cell_of(wildcards)),
    output:
        config=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/model/config.json", non_empty=True),
        weights=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/model/diffusion_pytorch_model.safetensors",
            non_empty=True,
        ),
        card=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/model/README.md", non_empty=True),
        trajectory=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/trajectory.csv", non_empty=True),
        cost=ensure("results/{preset}/{study}/{target}/{variant}/seed{seed}/cost.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/unlearn.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/unlearn.jsonl"
    wildcard_constraints:
        variant=plan.variants_made_by("unlearn"),
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        base=subpath(input.weights, parent=True),
        sets=lambda wildcards, input: f"--sets {input.sets}" if input.get("sets") else "",
        folder=subpath(output.weights, parent=True),
        state="results/{preset}/state/{study}/{target}/{variant}/seed{seed}.safetensors",
        method=lambda wildcards: plan.method_of(plan.cell_of(wildcards)),
        job=lambda wildcards: str(plan.unlearn(plan.cell_of(wildcards))),
    message:
        "unlearn: {wildcards.variant} forgets {wildcards.study} {wildcards.target}, seed {wildcards.seed}"
    shell:
        "python -m lethe.unlearn {params.method} --base {params.base} {params.sets} --model {params.folder}"
        " --trajectory {output.trajectory} --cost {output.cost} --state {params.state} {params.job} > {log} 2>&1"
