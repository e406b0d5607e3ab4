"""Start processes of the cluster and send them messages, as tasks."""
