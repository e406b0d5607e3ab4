"""The command `zeebe-connectors`: arguments go in, a readable answer and an exit code come out."""
