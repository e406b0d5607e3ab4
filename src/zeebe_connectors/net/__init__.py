"""Reach servers, for every protocol: the operator's rules, name resolution, TLS material."""
