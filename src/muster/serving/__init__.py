"""Serving: Granian, its worker processes, and the application in each of them."""
