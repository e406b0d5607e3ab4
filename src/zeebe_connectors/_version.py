"""The one place where the version stands; the changelog and the templates follow it."""

__version__ = "0.1.0"
