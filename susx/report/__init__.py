"""The report: what people look at, as figures and as one HTML page."""
