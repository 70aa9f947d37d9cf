"""Configuration files: brands, scopes, login services, users and clients as one YAML document."""
