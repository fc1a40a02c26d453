"""Export: one unlearned model with its card, its records and what it was made from, for a stranger to use and check."""
