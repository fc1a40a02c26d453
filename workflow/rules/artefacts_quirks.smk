"""In: records of rows evaluated here, and of the same rows evaluated as released. Out: the table quirks."""


rule quirks:
    input:
        code=code_of_artefact("quirks"),
        records=plan.quirks.records,
    output:
        csv=report(
            f"{plan.root}/tables/quirks.csv",
            caption="../report/quirks.rst",
            category="Tables",
            labels={"what": "Evaluation as released"},
        ),
        markdown=f"{plan.root}/tables/quirks.md",
        tex=f"{plan.root}/tables/quirks.tex",
    log:
        f"{plan.root}/logs/tables/quirks.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/quirks.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=plan.quirks.options,
    message:
        "table: {output.markdown}"
    shell:
        "python -m lethe.artefacts quirks --records {input.records} {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"
