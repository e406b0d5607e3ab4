"""Read and change resources of constrained devices, over UDP or DTLS."""
