"""Looking at a finished data set: statistics, pictures, verification and repair."""
