"""Every token and every protocol answer."""
