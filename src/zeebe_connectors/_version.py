"""State the version, in the one place that the package, the changelog and the templates follow."""

__version__ = "0.1.0"
