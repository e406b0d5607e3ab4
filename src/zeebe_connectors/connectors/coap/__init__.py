"""The connector `coap`: resources of constrained devices, over UDP or DTLS."""
