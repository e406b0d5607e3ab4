"""Start a process, or reach a waiting one, for each mail of a mailbox (POP3), or read mails in a task."""
