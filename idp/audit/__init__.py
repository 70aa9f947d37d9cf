"""What has happened, written with the change itself and never changed afterwards."""
