"""Console, clocks and threads: what every command shares."""
