"""In: an archive of published records. Out: the files that tables and figures are drawn from, in place of all stages
that compute them."""


rule unpack:
    input:
        code=modules_behind("lethe.publish.unpack"),
        archive=published.path,
    output:
        results=[f"{plan.root}/{name}" for name in published.manifest.files],
        note=f"{plan.root}/README.md",
    log:
        f"{plan.root}/logs/unpack.log",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        folder=subpath(output.note, parent=True),
    message:
        "unpack: {input.archive}"
    shell:
        "python -m lethe.publish unpack --archive {input.archive:q} --folder {params.folder} --note {output.note}"
        " > {log} 2>&1"


# What asks for more than records says so, instead of that there is no such rule.
for name in ("verify", "publish", *plan.captions.tables()):

    rule:
        name:
            name
        log:
            f"{plan.root}/logs/{name}.log",
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        params:
            problem=f"{name} cannot be made from published records",
        shell:
            "printf 'lethe: error: %s\\n  remedy: leave out from_published\\n' {params.problem:q} | tee {log} >&2; exit 2"


try:
    published.check_has(
        {name: [path.removeprefix(f"{plan.root}/") for path in paths] for name, paths in drawn_from().items()}
    )
except LetheError as error:
    sys.exit(f"lethe: error: {error}")
