"""An administrator who imports a CSV file, and what the pages of the import say."""

import re
from html import unescape

from tests.support.waiting import until


class Wizard:
    """An administrator who imports files into a workspace."""

    def __init__(self, visitor, tenant):
        self.visitor, self.tenant = visitor, tenant
        self.base = f"/w/{tenant.name}/users/import"

    def upload(self, text, file="people.csv"):
        self.visitor.get(self.base)
        data = text if isinstance(text, bytes) else text.encode()
        files = {"file": (file, data, "text/csv")}
        return self.visitor.http.post(self.base, data={"csrf": self.visitor.csrf}, files=files)

    def uploaded(self, text, **options):
        answer = self.upload(text, **options)
        assert answer.status_code == 303, answer.text
        self.path = answer.headers["location"]
        return self.visitor.get(self.path)

    def rehearse(self, columns=None, **options):
        """Send the mapping, the guessed one without another, and wait for the rehearsal."""
        page = self.visitor.get(self.path)
        guesses = columns or selected(page)
        fields = {f"column.{number}": path for number, path in enumerate(guesses)}
        answer = self.visitor.post(
            f"{self.path}/rehearse", **{"empty": "keep", **fields, **options}
        )
        assert answer.status_code == 303, answer.text
        return self.ended()

    def start(self):
        answer = self.visitor.post(f"{self.path}/start")
        assert answer.status_code == 303, answer.text
        return self.ended()

    def ended(self):
        """The page, once no run is in progress."""

        def shown():
            page = self.visitor.get(self.path)
            return None if runs(page) else page

        return until(shown)

    def imported(self, text, columns=None, **options):
        self.uploaded(text)
        self.rehearse(columns, **options)
        return self.start()

    def refused(self):
        return self.visitor.get(f"{self.path}/refused.csv").content.decode("utf-8-sig")


def runs(page):
    return "<progress" in page.text


def selected(page):
    selects = re.findall(r"<select .*?</select>", page.text, re.S)
    chosen = (re.search(r'value="([^"]*)" selected', text) for text in selects)
    return [found[1] if found else "" for found in chosen]


def figures(page):
    found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", page.text)
    return {title: int(number.replace(",", "")) for title, number in found}


def changed(page):
    """The user, the change and the attributes of each row of the users who change."""
    rows = re.findall(
        r'data-label="User"><a href="[^"]+/users/([^"]+)">([^<]*)</a></td>'
        r'<td data-label="Change"><span[^>]*>([^<]*)</span></td>'
        r'<td data-label="Attributes">([^<]*)</td>',
        page.text,
    )
    return [tuple(unescape(cell) for cell in row) for row in rows]


def problems(page):
    rows = re.findall(
        r'data-label="Line">([^<]*)</td><td data-label="User name">[^<]*</td>'
        r'<td data-label="Column">([^<]*)</td>'
        r'<td data-label="Reason">([^<]*)<',
        page.text,
    )
    return [(int(line), unescape(column), unescape(reason)) for line, column, reason in rows]
