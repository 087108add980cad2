"""Suspends a customer, or resumes them: python suspend.py acme "The invoice is overdue"."""

import sys

from customers import send


def suspend(name: str, reason: str) -> str:
    """Suspend a customer. Returns their state."""
    return send("POST", f"/workspaces/{name}/suspend", json={"reason": reason})["state"]


def resume(name: str) -> str:
    """Resume a customer. Returns their state."""
    return send("POST", f"/workspaces/{name}/resume")["state"]


if __name__ == "__main__":
    print(suspend(*sys.argv[1:]) if sys.argv[2:] else resume(sys.argv[1]))
