"""Questions: a kind of measure with its rule, one module each, over what they share."""
