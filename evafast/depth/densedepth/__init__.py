"""DenseDepth: the network, its weights and the readers of weights files."""
