"""Training of the depth network: DenseDepth on rendered scenes, composites or image/depth pairs."""
