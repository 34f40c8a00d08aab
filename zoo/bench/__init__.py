"""How fast a backbone is on this machine: measured in processes of their own, remembered beside what measured it."""
