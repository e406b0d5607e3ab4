"""Send mails: compose them, keep sessions open and deliver each mail once."""
