"""REST: any HTTP service as a task."""
