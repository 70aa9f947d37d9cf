"""The registry of client flags, for programs that show or set them."""
