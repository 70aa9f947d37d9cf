"""The identity provider: project and ground floor."""
