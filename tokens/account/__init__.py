"""`/account/`: what users see of their own sessions, applications and sign-ins, and end."""
