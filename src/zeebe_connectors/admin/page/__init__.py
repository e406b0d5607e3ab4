"""Serve the operator's page, which is drawn on the server: what people see of the runtime and can do with it."""
