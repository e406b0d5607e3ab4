"""The runtime: jobs come in from the gateway, one outcome each goes back."""
