"""Denoisers: what every method and sampler is written against, and the folders they are kept in."""
