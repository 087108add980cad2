"""OAuth 2 for connections: clients, access tokens, and federated trusts."""
