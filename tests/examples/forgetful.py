"""A service whose feed no longer goes back as far as an example has read it."""


class ForgetfulMuster:
    """A client of the service whose feed has forgotten the stored position once.

    Attributes:
        answers: The statuses that it answered in place of the service.
    """

    def __init__(self, tenant):
        self._tenant = tenant
        self.answers = []

    def get(self, path, params):
        if path == "/api/v1/changes" and not self.answers:
            self.answers.append(410)
            return type("Gone", (), {"status_code": 410})()
        client = self._tenant.api if path.startswith("/api") else self._tenant.scim
        return client.get(path.removeprefix("/api/v1").removeprefix("/scim/v2"), params=params)
