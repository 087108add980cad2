"""Where resources are kept: the port, and the engines behind it."""
