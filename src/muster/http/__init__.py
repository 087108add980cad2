"""HTTP: parse a request, call a use case, answer. Served over RSGI or ASGI."""
