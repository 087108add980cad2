"""The deprovisioning guard and the provisioning switches."""
