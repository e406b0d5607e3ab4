"""The operator's view: counts and health go in, pages for probes and Prometheus come out."""
