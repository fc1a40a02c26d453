"""In: real images, and judges that are given. Out: the judges that are trained and their held-out accuracy, what all
judges see in real and in generated images, these shard by shard, and which classes are near to each other."""


rule judge_train:
    input:
        data="results/{preset}/{study}/data/train.safetensors",
        held_out="results/{preset}/{study}/data/test.safetensors",
    output:
        judge=ensure("results/{preset}/{study}/judge/judge.safetensors", non_empty=True),
        report=ensure("results/{preset}/{study}/judge/accuracy.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judge_train.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judge_train.jsonl"
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
        job=lambda wildcards: str(plan.of(wildcards).judge()),
    message:
        "judge: training the judge of {wildcards.study}"
    shell:
        "python -m lethe.judge class train --data {input.data} --held-out {input.held_out} --judge {output.judge}"
        " --report {output.report} {params.job} > {log} 2>&1"


rule judge_data:
    input:
        judge="results/{preset}/{study}/judge/judge.safetensors",
        given=ancient(lambda wildcards: inputs_of(*plan.of(wildcards).given_judges.values())),
        images="results/{preset}/{study}/data/{split}.safetensors",
    output:
        judged=ensure("results/{preset}/{study}/data/judged_{split}.safetensors", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judged_{split}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judged_{split}.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
        split="train|test",
    conda:
        "../../envs/cpu.yaml"
    threads: compute.threads
    resources:
        gpu=compute.gpus,
        mem_mb=compute.memory_mb,
        runtime=compute.minutes,
    params:
        given=lambda wildcards: " ".join(option_of(*item) for item in plan.of(wildcards).given_judges.items()),
        job=lambda wildcards: str(plan.of(wildcards).judged_data()),
    message:
        "judge: looking at the real {wildcards.split} images of {wildcards.study}"
    shell:
        "python -m lethe.judge class apply --judge {input.judge} --images {input.images} --output {output.judged}"
        " {params.given} {params.job} > {log} 2>&1"


rule similarity:
    input:
        judged="results/{preset}/{study}/data/judged_train.safetensors",
    output:
        similarity=ensure("results/{preset}/{study}/judge/similarity.csv", non_empty=True),
    log:
        "results/{preset}/logs/{study}/similarity.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/similarity.jsonl"
    wildcard_constraints:
        study=plan.studies_of("class"),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda wildcards: str(plan.of(wildcards).similarity()),
    message:
        "similarity: the classes of {wildcards.study}"
    shell:
        "python -m lethe.similarity --judged {input.judged} --output {output.similarity} {params.job} > {log} 2>&1"


rule judge_images:
    input:
        judge="results/{preset}/{study}/judge/judge.safetensors",
        given=ancient(lambda wildcards: inputs_of(*plan.of(wildcards).given_judges.values())),
        images="results/{preset}/{study}/{target}/{variant}/seed{seed}/images/shard{shard}.safetensors",
    output:
        judged=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/judged/shard{shard}.safetensors", non_empty=True
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/judge{shard}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/judge{shard}.jsonl"
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
        given=lambda wildcards: " ".join(option_of(*item) for item in plan.of(wildcards).given_judges.items()),
        job=lambda wildcards: str(plan.of(wildcards).judged(plan.cell_of(wildcards))),
    message:
        "judge: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}, shard {wildcards.shard}"
    shell:
        "python -m lethe.judge class apply --judge {input.judge} --images {input.images} --output {output.judged}"
        " {params.given} {params.job} > {log} 2>&1"


rule alignment:
    input:
        data="results/{preset}/{study}/data/train.safetensors",
        held_out="results/{preset}/{study}/data/test.safetensors",
    output:
        config=ensure("results/{preset}/{study}/judge/alignment/open_clip_config.json", non_empty=True),
        weights=ensure("results/{preset}/{study}/judge/alignment/open_clip_model.safetensors", non_empty=True),
        report=ensure("results/{preset}/{study}/judge/alignment.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judge_alignment.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judge_alignment.jsonl"
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
        judge=subpath(output.config, parent=True),
        job=lambda wildcards: str(plan.of(wildcards).judge("alignment")),
    message:
        "judge: training the alignment judge of {wildcards.study}"
    shell:
        "python -m lethe.judge text train-alignment --data {input.data} --held-out {input.held_out}"
        " --judge {params.judge} --report {output.report} {params.job} > {log} 2>&1"


rule detector:
    input:
        data="results/{preset}/{study}/data/train.safetensors",
        held_out="results/{preset}/{study}/data/test.safetensors",
    output:
        judge=ensure("results/{preset}/{study}/judge/detector.onnx", non_empty=True),
        report=ensure("results/{preset}/{study}/judge/detector.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judge_detector.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judge_detector.jsonl"
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
        job=lambda wildcards: str(plan.of(wildcards).judge("detector")),
    message:
        "judge: training the detector of {wildcards.study}"
    shell:
        "python -m lethe.judge text train-detector --data {input.data} --held-out {input.held_out}"
        " --judge {output.judge} --report {output.report} {params.job} > {log} 2>&1"


rule attributes:
    input:
        data="results/{preset}/{study}/data/train.safetensors",
        held_out="results/{preset}/{study}/data/test.safetensors",
    output:
        judge=ensure("results/{preset}/{study}/judge/attributes.safetensors", non_empty=True),
        report=ensure("results/{preset}/{study}/judge/attributes.json", non_empty=True),
    log:
        "results/{preset}/logs/{study}/judge_attributes.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/judge_attributes.jsonl"
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
        job=lambda wildcards: str(plan.of(wildcards).judge("attributes")),
    message:
        "judge: training the judge of attributes of {wildcards.study}"
    shell:
        "python -m lethe.judge text train-attributes --data {input.data} --held-out {input.held_out}"
        " --judge {output.judge} --report {output.report} {params.job} > {log} 2>&1"


rule judge_images_text:
    input:
        judges=lambda wildcards: plan.of(wildcards).trained_judge_files,
        given=ancient(lambda wildcards: plan.of(wildcards).given_judge_inputs),
        prompts="results/{preset}/{study}/{target}/prompts.csv",
        images="results/{preset}/{study}/{target}/{variant}/seed{seed}/images/shard{shard}.safetensors",
    output:
        judged=ensure(
            "results/{preset}/{study}/{target}/{variant}/seed{seed}/judged/shard{shard}.safetensors", non_empty=True
        ),
    log:
        "results/{preset}/logs/{study}/{target}/{variant}/seed{seed}/judge{shard}.log",
    benchmark:
        "results/{preset}/benchmarks/{study}/{target}/{variant}/seed{seed}/judge{shard}.jsonl"
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
        job=lambda wildcards: str(plan.of(wildcards).judged(plan.cell_of(wildcards))),
    message:
        "judge: {wildcards.study} {wildcards.target} {wildcards.variant}, seed {wildcards.seed}, shard {wildcards.shard}"
    shell:
        "python -m lethe.judge text apply --prompts {input.prompts} --images {input.images} --output {output.judged}"
        " {params.job} > {log} 2>&1"
