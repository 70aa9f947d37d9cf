"""The signing keys: their life from published to retired, and how they are kept."""
