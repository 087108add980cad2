"""Small records beside the resources: requests, webhooks, attempts, leases."""
