"""The storage of resources: the port, and the engines behind it."""
