"""In: records, trajectories, image sets of a class study. Out: its tables and figures, each a target by its name."""


rule table1:
    input:
        code=code_of_artefact("table1"),
        records=plan.classes.plan.records(dict.fromkeys([*plan.classes.table1_rows, *plan.classes.equal.twins])),
        costs=plan.classes.equal.costs,
        published="workflow/published/paper_values.csv",
    output:
        csv=report(
            f"{plan.root}/tables/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
            labels={"what": "Table 1"},
        ),
        markdown=f"{plan.root}/tables/table1.md",
        tex=f"{plan.root}/tables/table1.tex",
    log:
        f"{plan.root}/logs/tables/table1.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/table1.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        variants=plan.classes.plan.titled(plan.classes.table1_rows),
        study=plan.classes.shown.study,
        comparable=plan.classes.table1_comparability,
        equal=plan.classes.equal.options,
    message:
        "table1: {output.markdown}"
    shell:
        "python -m lethe.artefacts table1 --records {input.records} --variants {params.variants:q}"
        " --published {input.published} --study {params.study} {params.comparable:q} {params.equal:q}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


rule paired:
    input:
        code=code_of_artefact("paired"),
        records=plan.classes.plan.records(plan.classes.compared),
    output:
        csv=report(
            f"{plan.root}/tables/paired.csv",
            caption="../report/paired.rst",
            category="Tables",
            labels={"what": "Paired comparisons"},
        ),
        markdown=f"{plan.root}/tables/paired.md",
        tex=f"{plan.root}/tables/paired.tex",
    log:
        f"{plan.root}/logs/tables/paired.log",
    benchmark:
        f"{plan.root}/benchmarks/tables/paired.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pairs=[f"{first}:{second}" for first, second in plan.classes.shown.pairs],
        titles=plan.classes.plan.titled(plan.classes.compared),
    message:
        "paired: {output.markdown}"
    shell:
        "python -m lethe.artefacts paired --records {input.records} --pairs {params.pairs} --titles {params.titles:q}"
        " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} 2>&1 | tee {log}"


if plan.classes.shown.figure2:

    rule figure2:
        input:
            code=code_of_artefact("figure2"),
            trajectory=plan.classes.plan.trajectory(plan.classes.figure2_cell),
        output:
            pdf=f"{plan.root}/figures/figure2.pdf",
            png=report(
                f"{plan.root}/figures/figure2.png",
                caption="../report/figure2.rst",
                category="Figures",
                labels={"what": "Figure 2"},
            ),
        log:
            f"{plan.root}/logs/figures/figure2.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/figure2.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            title=plan.classes.figure2_title,
        message:
            "figure2: {output.pdf}"
        shell:
            "python -m lethe.artefacts figure2 --trajectory {input.trajectory} --title {params.title:q}"
            " --pdf {output.pdf} --png {output.png} > {log} 2>&1"


rule trajectory:
    input:
        code=code_of_artefact("trajectory"),
        trajectories=[plan.classes.plan.trajectory(cell) for cell in plan.classes.trajectory_cells],
    output:
        pdf=f"{plan.root}/figures/trajectory.pdf",
        png=report(
            f"{plan.root}/figures/trajectory.png",
            caption="../report/trajectory.rst",
            category="Figures",
            labels={"what": "Trajectory"},
        ),
        csv=f"{plan.root}/figures/trajectory.csv",
    log:
        f"{plan.root}/logs/figures/trajectory.log",
    benchmark:
        f"{plan.root}/benchmarks/figures/trajectory.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cells=[cell.name for cell in plan.classes.trajectory_cells],
        titles=plan.classes.plan.titled(plan.classes.shown.trajectory),
    message:
        "trajectory: {output.pdf}"
    shell:
        "python -m lethe.artefacts trajectory --cells {params.cells} --trajectories {input.trajectories}"
        " --titles {params.titles:q} --pdf {output.pdf} --png {output.png} --csv {output.csv} > {log} 2>&1"


rule samples:
    input:
        code=code_of_artefact("samples"),
        images=[plan.classes.plan.shards(cell)[0] for cell in plan.classes.sample_cells],
        real=f"{plan.root}/{plan.classes.shown.study}/data/test.safetensors",
    output:
        pdf=f"{plan.root}/figures/samples.pdf",
        png=report(
            f"{plan.root}/figures/samples.png",
            caption="../report/samples.rst",
            category="Figures",
            labels={"what": "Samples"},
        ),
    log:
        f"{plan.root}/logs/figures/samples.log",
    benchmark:
        f"{plan.root}/benchmarks/figures/samples.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cells=[cell.variant for cell in plan.classes.sample_cells],
        titles=plan.classes.plan.titled(plan.classes.shown.samples),
        target=plan.classes.shown.shown_target,
    message:
        "samples: {output.pdf}"
    shell:
        "python -m lethe.artefacts samples --cells {params.cells} --images {input.images}"
        " --titles {params.titles:q} --real {input.real} --target {params.target}"
        " --pdf {output.pdf} --png {output.png} > {log} 2>&1"


rule figure7:
    input:
        code=code_of_artefact("figure7"),
        similarity=plan.classes.plan.similarity_file,
    output:
        pdf=f"{plan.root}/figures/figure7.pdf",
        png=report(
            f"{plan.root}/figures/figure7.png",
            caption="../report/figure7.rst",
            category="Figures",
            labels={"what": "Figure 7"},
        ),
    log:
        f"{plan.root}/logs/figures/figure7.log",
    benchmark:
        f"{plan.root}/benchmarks/figures/figure7.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "figure7: {output.pdf}"
    shell:
        "python -m lethe.artefacts figure7 --similarity {input.similarity} --pdf {output.pdf} --png {output.png} > {log} 2>&1"


if plan.classes.shown.table3:

    rule table3:
        input:
            code=code_of_artefact("table3"),
            records=plan.classes.table3_records,
            similarity=plan.classes.plan.similarity_file,
            published="workflow/published/paper_values.csv",
        output:
            csv=report(
                f"{plan.root}/tables/table3.csv",
                caption="../report/table3.rst",
                category="Tables",
                labels={"what": "Table 3"},
            ),
            markdown=f"{plan.root}/tables/table3.md",
            tex=f"{plan.root}/tables/table3.tex",
        log:
            f"{plan.root}/logs/tables/table3.log",
        benchmark:
            f"{plan.root}/benchmarks/tables/table3.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            pairs=[f"{near}:{balanced}" for near, balanced in plan.classes.shown.table3],
            titles=plan.classes.table3_titles,
            retain_images=plan.classes.retain_images,
            study=plan.classes.shown.study,
            comparable=plan.classes.table3_comparability,
        message:
            "table3: {output.markdown}"
        shell:
            "python -m lethe.artefacts table3 --records {input.records} --pairs {params.pairs} --titles {params.titles:q}"
            " --similarity {input.similarity} --retain-images {params.retain_images} --published {input.published}"
            " --study {params.study} {params.comparable:q}"
            " --csv {output.csv} --markdown {output.markdown} --tex {output.tex} > {log} 2>&1"


if plan.classes.shown.figure6:

    rule figure6:
        input:
            code=code_of_artefact("figure6"),
            records=plan.classes.figure6.records,
        output:
            pdf=f"{plan.root}/figures/figure6.pdf",
            png=report(
                f"{plan.root}/figures/figure6.png",
                caption="../report/figure6.rst",
                category="Figures",
                labels={"what": "Figure 6"},
            ),
            csv=f"{plan.root}/figures/figure6.csv",
        log:
            f"{plan.root}/logs/figures/figure6.log",
        benchmark:
            f"{plan.root}/benchmarks/figures/figure6.jsonl"
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            points=plan.classes.figure6.points,
            titles=plan.classes.figure6.titles,
            forgotten=plan.classes.shown.forgotten,
        message:
            "figure6: {output.pdf}"
        shell:
            "python -m lethe.artefacts figure6 --records {input.records} --points {params.points}"
            " --titles {params.titles:q} --forgotten {params.forgotten}"
            " --pdf {output.pdf} --png {output.png} --csv {output.csv} > {log} 2>&1"


rule tradeoff:
    input:
        code=code_of_artefact("tradeoff"),
        records=plan.classes.plan.records(plan.classes.tradeoff_rows),
    output:
        pdf=f"{plan.root}/figures/tradeoff.pdf",
        png=report(
            f"{plan.root}/figures/tradeoff.png",
            caption="../report/tradeoff.rst",
            category="Figures",
            labels={"what": "Trade-off, classes"},
        ),
        csv=f"{plan.root}/figures/tradeoff.csv",
    log:
        f"{plan.root}/logs/figures/tradeoff.log",
    benchmark:
        f"{plan.root}/benchmarks/figures/tradeoff.jsonl"
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        variants=plan.classes.plan.titled(plan.classes.tradeoff_rows),
        study=plan.classes.shown.study,
        confidence=plan.classes.plan.study.measures.confidence,
    message:
        "tradeoff: {output.pdf}"
    shell:
        "python -m lethe.artefacts tradeoff --records {input.records} --variants {params.variants:q}"
        " --study {params.study} --confidence {params.confidence}"
        " --pdf {output.pdf} --png {output.png} --csv {output.csv} > {log} 2>&1"
