"""All tables and figures together."""


rule tables:
    input:
        plan.tables(),
    localrule: True


rule figures:
    input:
        plan.figures(),
    localrule: True
