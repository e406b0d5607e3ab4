"""Send and read mails over SMTP, IMAP and POP3, as the official email task does."""
