"""What `zoo pull`, `verify`, `cache`, `bundle-weights`, `load`, `import` and `publish` do."""
