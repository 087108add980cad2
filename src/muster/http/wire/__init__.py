"""The wire: requests, responses, media types, errors and the server interfaces."""
