"""Query and change databases."""
