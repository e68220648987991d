"""Recipe: sample index to placement, by random access."""
