"""The operator's API: one file a noun; the page is drawn from the same functions."""
