"""Facts of every backbone: data and look-up, no framework."""
