"""POP3: a mail in a mailbox starts a process or reaches a waiting one, or is read by a task."""
