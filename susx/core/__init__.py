"""What every stage stands on: errors, files, text, threads."""
