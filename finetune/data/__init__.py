"""Where samples come from: folders, tables, archives, memory."""
