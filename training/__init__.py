"""Training on the fly: mask and depth from (background, composite)."""
