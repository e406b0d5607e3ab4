"""Call any HTTP service from a task."""
