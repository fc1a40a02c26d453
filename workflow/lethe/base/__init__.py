"""The base stage: the model that is to forget, trained in the workflow or given."""
