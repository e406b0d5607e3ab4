"""IMAP: a mail in a folder starts a process or reaches a waiting one."""
