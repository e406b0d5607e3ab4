"""The author's API: describe a connector with a model and a function; nothing here knows an engine."""
