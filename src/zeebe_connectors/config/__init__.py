"""Read the configuration from environment, `.env` and a file: settings, providers and secrets."""
