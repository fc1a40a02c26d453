"""In: records, image sets, prompts of a text study. Out: its tables and figures, each a target by its name."""

for name, concept in plan.text.example_tables.items():

    rule:
        name:
            name
        input:
            code=code_of_artefact("prompt_examples"),
            concept=f"workflow/published/{concept}.yaml",
        output:
            csv=report(
                f"{plan.root}/tables/{name}.csv",
                caption="../report/prompt_examples.rst",
                category="Tables",
                labels={"what": f"Table {name[5:]}"},
            ),
            markdown=f"{plan.root}/tables/{name}.md",
            tex=f"{plan.root}/tables/{name}.tex",
        log:
            f"{plan.root}/logs/tables/{name}.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/{name}.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            "table: {output.markdown}"
        shell:
            "python -m lethe.artefacts prompt_examples --concept {input.concept}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


for name, table in plan.text.alignment_tables.items():

    rule:
        name:
            name
        input:
            code=code_of_artefact(name),
            records=table.records,
            costs=table.costs,
            published="workflow/published/paper_values.csv",
        output:
            csv=report(
                f"{plan.root}/tables/{name}.csv",
                caption="../report/alignment.rst",
                category="Tables",
                labels={"what": f"Table {name[5:]}"},
            ),
            markdown=f"{plan.root}/tables/{name}.md",
            tex=f"{plan.root}/tables/{name}.tex",
        log:
            f"{plan.root}/logs/tables/{name}.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/{name}.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            table=name,
            study=plan.text.study,
            options=table.options,
        message:
            "table: {output.markdown}"
        shell:
            "python -m lethe.artefacts {params.table} --records {input.records} --study {params.study} {params.options:q}"
            " --published {input.published}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


if plan.text.shown.table7 is not None:

    rule table7:
        input:
            code=code_of_artefact("table7"),
            records=plan.text.table7.records,
            published="workflow/published/paper_values.csv",
        output:
            csv=report(
                f"{plan.root}/tables/table7.csv",
                caption="../report/table7.rst",
                category="Tables",
                labels={"what": "Table 7"},
            ),
            markdown=f"{plan.root}/tables/table7.md",
            tex=f"{plan.root}/tables/table7.tex",
        log:
            f"{plan.root}/logs/tables/table7.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/table7.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            study=plan.text.shown.table7.study,
            options=plan.text.table7.options,
        message:
            "table: {output.markdown}"
        shell:
            "python -m lethe.artefacts table7 --records {input.records} {params.options:q} --published {input.published}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


rule tradeoff_text:
    input:
        code=code_of_artefact("tradeoff_text"),
        records=plan.text.plan.records(plan.text.tradeoff_rows),
    output:
        pdf=f"{plan.root}/figures/tradeoff_text.pdf",
        png=report(
            f"{plan.root}/figures/tradeoff_text.png",
            caption="../report/tradeoff.rst",
            category="Figures",
            labels={"what": "Trade-off, text"},
        ),
        csv=f"{plan.root}/figures/tradeoff_text.csv",
    log:
        f"{plan.root}/logs/figures/tradeoff_text.log",
    benchmark:
        f"{plan.root}/benchmarks/figures/tradeoff_text.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=plan.text.tradeoff_options,
        study=plan.text.study,
        confidence=plan.text.plan.study.measures.confidence,
    message:
        "figure: {output.png}"
    shell:
        "python -m lethe.artefacts tradeoff_text --records {input.records} {params.options:q}"
        " --study {params.study} --confidence {params.confidence}"
        " --pdf {output.pdf} --png {output.png} --csv {output.csv} > {log} 2>&1"


rule cost:
    input:
        code=code_of_artefact("cost"),
        costs=[f"{plan.text.plan.folder(cell)}/cost.json" for cell in plan.text.plan.unlearned],
    output:
        csv=report(
            f"{plan.root}/tables/cost.csv",
            caption="../report/cost.rst",
            category="Tables",
            labels={"what": "Cost"},
        ),
        markdown=f"{plan.root}/tables/cost.md",
        tex=f"{plan.root}/tables/cost.tex",
    log:
        f"{plan.root}/logs/tables/cost.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/cost.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        study=plan.text.study,
        cells=[cell.name for cell in plan.text.plan.unlearned],
        variants=plan.text.plan.titled(dict.fromkeys(cell.variant for cell in plan.text.plan.unlearned)),
    message:
        "cost: {output.markdown}"
    shell:
        "python -m lethe.artefacts cost --cells {params.cells} --costs {input.costs} --variants {params.variants:q}"
        " --study {params.study} --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


for name, grid in plan.text.grids.items():

    rule:
        name:
            name
        input:
            code=code_of_artefact("prompt_grid"),
            images=grid.images,
            prompts=list(grid.prompts.values()),
        output:
            pdf=f"{plan.root}/figures/{name}.pdf",
            png=report(
                f"{plan.root}/figures/{name}.png",
                caption="../report/prompt_grid.rst",
                category="Figures",
                labels={"what": f"Figure {name[6:]}"},
            ),
        log:
            f"{plan.root}/logs/figures/{name}.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/{name}.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            cells=grid.cells,
            prompts=[f"{target}={path}" for target, path in grid.prompts.items()],
            options=grid.options,
        message:
            "figure: {output.png}"
        shell:
            "python -m lethe.artefacts prompt_grid --cells {params.cells} --images {input.images}"
            " --prompts {params.prompts} {params.options:q} --pdf {output.pdf} --png {output.png} > {log} 2>&1"


if plan.text.shown.figure4:

    rule figure4:
        input:
            code=code_of_artefact("figure4"),
            records=plan.text.plan.records(plan.text.shown.figure4, [plan.text.shown.content]),
            published="workflow/published/paper_values.csv",
        output:
            pdf=f"{plan.root}/figures/figure4.pdf",
            png=report(
                f"{plan.root}/figures/figure4.png",
                caption="../report/figure4.rst",
                category="Figures",
                labels={"what": "Figure 4"},
            ),
        log:
            f"{plan.root}/logs/figures/figure4.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/figure4.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            variants=plan.text.plan.titled(plan.text.shown.figure4),
            target=plan.text.shown.content,
            set=plan.text.counted_set,
        message:
            "figure: {output.png}"
        shell:
            "python -m lethe.artefacts figure4 --records {input.records} --variants {params.variants:q}"
            " --target {params.target} --set {params.set} --published {input.published}"
            " --pdf {output.pdf} --png {output.png} > {log} 2>&1"

    rule threshold:
        input:
            code=code_of_artefact("threshold_curve"),
            curves=[plan.text.plan.threshold_file(cell) for cell in plan.text.detected_cells],
        output:
            pdf=f"{plan.root}/figures/threshold.pdf",
            png=report(
                f"{plan.root}/figures/threshold.png",
                caption="../report/threshold.rst",
                category="Figures",
                labels={"what": "Threshold curve"},
            ),
        log:
            f"{plan.root}/logs/figures/threshold.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/threshold.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            cells=[cell.name for cell in plan.text.detected_cells],
            titles=plan.text.plan.titled(plan.text.shown.figure4),
            threshold=plan.text.plan.study.measures.threshold,
            set=plan.text.counted_set,
        message:
            "figure: {output.png}"
        shell:
            "python -m lethe.artefacts threshold_curve --cells {params.cells} --curves {input.curves}"
            " --titles {params.titles:q} --threshold {params.threshold} --set {params.set}"
            " --pdf {output.pdf} --png {output.png} > {log} 2>&1"
