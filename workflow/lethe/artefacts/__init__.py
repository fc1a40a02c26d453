"""Tables and figures, each made by one command from the files it is given: ``python -m lethe.artefacts --help``."""
