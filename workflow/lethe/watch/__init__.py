"""Watching a run: progress by stage, what is left of it, and why jobs failed. Nothing here imports torch."""
