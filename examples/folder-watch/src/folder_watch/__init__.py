"""A connector that watches a folder."""
