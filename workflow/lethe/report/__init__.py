"""The report: one HTML file with the tables, the images, the figures, the costs and the provenance of a preset."""
