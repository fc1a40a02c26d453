"""In: every result. Out: the check that each comes from this configuration and code, and the archive of those that the
tables and figures are drawn from."""


rule verify:
    input:
        plan.artefacts(),
    log:
        f"{plan.root}/logs/verify.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        # A function, since Snakemake would take the slots of a text study's sentences for wildcards.
        config=lambda wildcards: plan.config.model_dump_json(exclude_unset=True),
    message:
        "verify: comparing every result's fingerprint with the configuration's"
    shell:
        "python -m lethe.verify --config {params.config:q} 2>&1 | tee {log}"


rule publish:
    input:
        code=modules_behind("lethe.publish.pack"),
        results=sorted({path for files in drawn_from().values() for path in files}),
    output:
        archive=f"{plan.root}/published.zip",
    log:
        f"{plan.root}/logs/publish.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        # A function, since Snakemake would take the slots of a text study's sentences for wildcards.
        config=lambda wildcards: plan.config.model_dump_json(exclude_unset=True),
    message:
        "publish: {output.archive}"
    shell:
        "python -m lethe.publish pack --config {params.config:q} --files {input.results} --output {output.archive}"
        " 2>&1 | tee {log}"
