"""Console, command lines, devices, threads and timing, which every command shares."""
