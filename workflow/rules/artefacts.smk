"""All tables and figures together, and the check that every result comes from this configuration and code."""


rule tables:
    input:
        plan.tables(),
    localrule: True


rule figures:
    input:
        plan.figures(),
    localrule: True


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
