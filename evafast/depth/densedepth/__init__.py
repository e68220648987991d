"""DenseDepth: network, weights and the readers of their files."""
