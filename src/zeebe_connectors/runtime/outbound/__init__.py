"""Run outbound connectors: take jobs from the gateway, run a connector's function for each and answer it."""
