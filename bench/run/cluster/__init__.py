"""Runs cells as tasks of Ray, on this machine or on a cluster. Nothing else imports Ray."""
