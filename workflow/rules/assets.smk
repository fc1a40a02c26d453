"""In: the network, or a mirror. Out: what Lethe does not ship, checked, with a manifest for each.

What needs an asset takes its manifest as ancient(): a manifest written anew with the same contents reruns nothing. The
rule names no code: an edit of what fetches makes no file another.
"""


onstart:
    # Only where jobs are about to run: not with --dry-run, --lint, --report, --unlock, nor in a job on a cluster.
    try:
        plan.check_assets_of(workflow.dag.needrun_jobs())
    except LetheError as error:
        sys.exit(f"lethe: error: {error}")


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
        # Not under params: a job that runs because of its params, above one that reads its output as ancient(), hides
        # from Snakemake what else has changed below. What is fetched is checked against the catalogue before any job.
        options=as_options(plan.config.assets),
    message:
        "fetch: {wildcards.asset}"
    shell:
        "python -m lethe.assets {wildcards.asset} {resources.options} > {log} 2>&1"
