"""What susx asks and tells Snakemake: functions of rules, the graph of jobs, how jobs start."""
