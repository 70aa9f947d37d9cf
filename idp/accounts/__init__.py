"""Users, and the login services that know them."""
