"""The unlearn stage: one training loop for every method makes the base model forget a target."""
