"""Sending mail: an addressed message goes in, the server's receipt comes out."""
