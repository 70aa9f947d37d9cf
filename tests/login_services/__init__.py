"""Login services against real servers of others."""
