"""Who may: workspaces, API keys, permissions and the rate limit."""
