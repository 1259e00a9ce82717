"""What susx asks and tells Snakemake: functions of rules, and the graph of jobs."""
