"""The network below every protocol: what the operator allows to be called, name resolution, TLS material."""
