"""The protocol endpoints, one a file."""
