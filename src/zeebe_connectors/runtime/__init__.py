"""Run connectors against a cluster: jobs, sources and everything that they need."""
