"""Inspecting a finished dataset: statistics, previews, verification and repair."""
