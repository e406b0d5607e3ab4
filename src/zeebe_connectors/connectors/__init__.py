"""Hold the connectors that come with the package: one folder each; none imports another."""
