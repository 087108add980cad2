"""Insight into a workspace: the overview and the doctor."""
