"""Start a process, or reach a waiting one, when a mail arrives in a folder (IMAP)."""
