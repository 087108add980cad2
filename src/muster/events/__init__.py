"""Events for the product: webhooks, signed as Standard Webhooks."""
