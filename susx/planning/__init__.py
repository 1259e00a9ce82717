"""What a run makes, as a function of configuration and disk."""
