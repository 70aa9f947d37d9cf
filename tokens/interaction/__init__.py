"""What a browser does between the authorization request and its answer, and at sign-out."""
