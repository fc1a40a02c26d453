"""In: records, judge outputs, conflicts of a text study. Out: the tables and the figure of DoCo's experiments."""

if "doco" in plan.doco.tables():

    rule doco:
        input:
            code=code_of_artefact("doco"),
            records=plan.doco.records,
            reported="workflow/published/doco_reported.csv",
        output:
            csv=report(
                f"{plan.root}/tables/doco.csv",
                caption="../report/doco.rst",
                category="Tables",
                labels={"what": "Concept and neighbours"},
            ),
            markdown=f"{plan.root}/tables/doco.md",
            tex=f"{plan.root}/tables/doco.tex",
        log:
            f"{plan.root}/logs/tables/doco.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/doco.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            study=plan.doco.study,
            options=plan.doco.doco_options,
        message:
            "table: {output.markdown}"
        shell:
            "python -m lethe.artefacts doco --records {input.records} --study {params.study} {params.options:q}"
            " --reported {input.reported}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


if "outside" in plan.doco.tables():

    rule outside:
        input:
            code=code_of_artefact("outside"),
            judged=[file for _, file in plan.doco.outside_judged],
            prompts=list(plan.doco.prompts.values()),
        output:
            csv=report(
                f"{plan.root}/tables/outside.csv",
                caption="../report/outside.rst",
                category="Tables",
                labels={"what": "Outside the unlearning set"},
            ),
            markdown=f"{plan.root}/tables/outside.md",
            tex=f"{plan.root}/tables/outside.tex",
        log:
            f"{plan.root}/logs/tables/outside.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/outside.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            cells=[cell.name for cell, _ in plan.doco.outside_judged],
            study=plan.doco.study,
            options=plan.doco.outside_options,
            measures=plan.doco.measure_options,
        message:
            "table: {output.markdown}"
        shell:
            "python -m lethe.artefacts outside --cells {params.cells} --judged {input.judged} --study {params.study}"
            " {params.options:q} {params.measures}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


if plan.doco.shown.conflict:

    rule conflict:
        input:
            code=code_of_artefact("conflict"),
            conflicts=[plan.doco.conflict_file(cell) for cell in plan.doco.conflict_cells],
        output:
            pdf=f"{plan.root}/figures/conflict.pdf",
            png=report(
                f"{plan.root}/figures/conflict.png",
                caption="../report/conflict.rst",
                category="Figures",
                labels={"what": "Conflict by tensor"},
            ),
            csv=f"{plan.root}/figures/conflict.csv",
        log:
            f"{plan.root}/logs/figures/conflict.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/conflict.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            cells=[cell.name for cell in plan.doco.conflict_cells],
            titles=plan.doco.plan.titled(plan.doco.shown.conflict),
        message:
            "figure: {output.png}"
        shell:
            "python -m lethe.artefacts conflict --cells {params.cells} --conflicts {input.conflicts}"
            " --titles {params.titles:q} --pdf {output.pdf} --png {output.png} --csv {output.csv} > {log} 2>&1"
