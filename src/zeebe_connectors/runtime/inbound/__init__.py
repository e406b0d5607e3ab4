"""Run inbound connectors: find the elements that wait for events, watch their sources, hand each event over once."""
