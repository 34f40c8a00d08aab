"""Training text encoders at depth `top`, `full` or `lora`."""
