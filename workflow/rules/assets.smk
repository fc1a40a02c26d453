"""In: the network, or a mirror. Out: what Lethe does not ship, checked, with a manifest for each."""


rule fetch:
    output:
        manifest=f"{plan.config.assets.folder}/{{asset}}/manifest.json",
    log:
        f"results/{plan.config.preset}/logs/assets/{{asset}}.log",
    benchmark:
        f"results/{plan.config.preset}/benchmarks/assets/{{asset}}.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        options=as_options(plan.config.assets),
    message:
        "fetch: {wildcards.asset}"
    shell:
        "python -m lethe.assets {wildcards.asset} {params.options} > {log} 2>&1"
