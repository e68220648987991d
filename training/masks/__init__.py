"""Training of `MaskDepthNet`: mask and depth from a background and a composite."""
