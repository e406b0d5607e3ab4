"""Offer the command `zeebe-connectors`: one module for each part of it."""
