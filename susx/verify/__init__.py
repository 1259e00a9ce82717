"""Whether a result still follows from what lies there: its sources, stages and configuration."""
