"""How work reports itself: a terminal, JSON Lines, or nobody."""
