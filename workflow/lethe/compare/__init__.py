"""Compare: the records of two runs, number by number, and whether the second is worse than the first."""
