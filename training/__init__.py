"""Training on the fly: mask and depth from (background, composite)."""

import os

# OpenMP threads that wait by spinning take the core from the thread they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Numba's own OpenMP layer sets the thread count that torch computes with, whatever torch was told;
# on two busy cores that made a training step five times as long.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
