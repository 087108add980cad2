"""Signs up many customers, and writes their links to links.csv: python thousand.py 1000."""

import csv
import sys
from pathlib import Path

from customers import sign_up


def main(number: int) -> None:
    """Sign up customers with made-up names."""
    with Path("links.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["customer", "link"])
        for n in range(1, number + 1):
            rows.writerow([f"customer-{n:04}", sign_up(f"customer-{n:04}", f"Customer {n}")])
            if n % 100 == 0 or n == number:
                print(f"{n} of {number}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
