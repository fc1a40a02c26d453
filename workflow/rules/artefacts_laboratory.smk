"""In: records, trajectories and costs of rows that differ in their rule. Out: the laboratory's table and figure."""


rule laboratory:
    input:
        code=code_of_artefact("laboratory"),
        records=plan.laboratory.files("records.csv"),
        trajectories=plan.laboratory.files("trajectory.csv"),
        costs=plan.laboratory.files("cost.json"),
    output:
        csv=report(
            f"{plan.root}/tables/laboratory.csv",
            caption="../report/laboratory.rst",
            category="Tables",
            labels={"what": "Gradient rules"},
        ),
        markdown=f"{plan.root}/tables/laboratory.md",
        tex=f"{plan.root}/tables/laboratory.tex",
        pdf=f"{plan.root}/figures/laboratory.pdf",
        png=report(
            f"{plan.root}/figures/laboratory.png",
            caption="../report/laboratory.rst",
            category="Figures",
            labels={"what": "Gradient rules"},
        ),
    log:
        f"{plan.root}/logs/tables/laboratory.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/laboratory.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=plan.laboratory.options,
        confidence=plan.laboratory.confidence,
    message:
        "laboratory: {output.markdown}"
    shell:
        "python -m lethe.artefacts laboratory {params.options:q} --confidence {params.confidence}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex}"
        " --pdf {output.pdf} --png {output.png} > {log} 2>&1"
