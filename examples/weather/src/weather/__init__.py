"""A connector that looks up the weather."""
