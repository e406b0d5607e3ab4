"""Configuration: environment, `.env` and a file go in; validated settings and secrets' values come out."""
