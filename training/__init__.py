"""Training on evafast's batches.

``masks`` finds what was pasted, and depth; ``depth`` trains the depth network; ``scenes`` renders
the built-in pack and the depth network's training data.
"""

import os

# Numba's OpenMP layer overrides the thread count that torch took from OMP_NUM_THREADS, which made
# a training step on two busy cores several times slower.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
