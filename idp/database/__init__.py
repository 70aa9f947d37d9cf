"""PostgreSQL beside Django: connections of our own, and what the server tells of changes."""
