"""Learn a little more: new examples of old classes, or new classes, from cached features in seconds."""
