"""The contract that every entry of the catalog keeps: it is built, converted, proven, cached and loaded."""
