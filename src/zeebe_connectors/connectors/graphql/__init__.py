"""GraphQL: a query or mutation as a task."""
