"""The operator's page: what a person sees of the runtime and may ask of it, drawn on the server."""
