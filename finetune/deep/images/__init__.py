"""Training image networks at depth `top` (from cached activations) or `full` (from pixels)."""
