"""Import a user's Keras model; export a bundle as one."""
