"""Training: the loop, the paper's SGD, named randomness, checkpoints. Keyword arguments and tensors in, epochs out."""
