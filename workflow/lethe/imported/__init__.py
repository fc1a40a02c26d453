"""The import stage: models that others have unlearned, laid over a study's base and written as a folder of ours."""
