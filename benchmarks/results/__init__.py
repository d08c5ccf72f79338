"""Figures as Markdown tables and SVG charts, and the stored results of the last full run."""
