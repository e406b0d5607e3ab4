"""Send mails: compose, session, pool and delivery."""
