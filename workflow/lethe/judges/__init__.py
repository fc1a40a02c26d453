"""Judges: networks that turn images into raw outputs, kept before any threshold."""
