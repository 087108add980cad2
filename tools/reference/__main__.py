"""Write the generated pages of docs/reference."""

import sys

from tools.reference.pages import FOLDER, PAGES


def main() -> None:
    """Write each page whose text has changed, and name it."""
    for name, generate in PAGES.items():
        path, text = FOLDER / name, generate()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parents[1])}\n")


if __name__ == "__main__":
    main()
