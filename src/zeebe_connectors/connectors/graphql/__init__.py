"""Run a GraphQL query or mutation as a task."""
