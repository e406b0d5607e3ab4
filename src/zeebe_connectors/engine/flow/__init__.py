"""Move tokens through processes: one queue of steps, one life cycle for every element instance."""
