"""Plots and tables of docs/benchmarks.md, made from the JSON files in ``benchmarks/results/``."""
