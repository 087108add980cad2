"""The console: the Settings pages, rendered on the server, for administrators in a browser."""
