"""Training deeper than the head, in Keras; nothing of it is imported until a run goes there."""
