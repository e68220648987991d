"""From sample index to placement, with random access."""
