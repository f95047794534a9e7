"""Training: the loop, the paper's SGD, named randomness and the state for checkpoints."""
