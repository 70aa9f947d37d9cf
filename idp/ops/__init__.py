"""Running the product: embedded servers, the supervisor behind `make run`."""
