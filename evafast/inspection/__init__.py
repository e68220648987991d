"""Looking at a finished dataset: statistics, previews, verification and repair."""
