"""The routes: they speak HTTP and delegate."""
