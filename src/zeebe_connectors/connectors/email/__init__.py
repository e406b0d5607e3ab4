"""Mails over SMTP, IMAP and POP3, as the official email task has them."""
