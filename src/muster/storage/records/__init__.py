"""Small tables beside the resources, which every engine stores alike."""
