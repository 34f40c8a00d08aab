"""Fine-tuning of the trunk with Keras, at depth `top`, `full` or `lora`; imported only when a run trains so deep."""
