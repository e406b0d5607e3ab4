"""The connector `sql`: queries and changes in databases."""
