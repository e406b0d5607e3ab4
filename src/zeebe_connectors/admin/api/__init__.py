"""Serve the operator's API: one file for each noun; the page is drawn from the same functions."""
