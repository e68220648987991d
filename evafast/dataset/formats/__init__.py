"""How the samples of a data set lie in a store: one module per format."""
