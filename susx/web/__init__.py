"""Talking to servers: addresses that may be asked, pauses, bounds."""
