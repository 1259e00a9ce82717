"""`susx progress`: how far a run of the pipeline is."""
