"""Sends mails: compose, session, pool and delivery."""
