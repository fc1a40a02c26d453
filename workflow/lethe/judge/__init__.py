"""The judge stage: judges are trained where the workflow has none, and look at images; raw outputs, no threshold."""
