"""Sample index to placement, by random access."""
