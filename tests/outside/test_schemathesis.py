"""Generated requests get no 5xx and no status that /openapi.json lacks."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks as _openapi_checks  # noqa: F401 (registers them)

USER_OPERATIONS = ["findUsers", "createUser", "getUser", "updateUser", "patchUser", "deleteUser"]
DISCOVERY = [
    "getServiceProviderConfig",
    "discoverResourceTypes",
    "discoverResourceType",
    "discoverSchemas",
    "discoverSchema",
]
WITHOUT_A_KEY = [
    "createAccessToken",
    "getOauthKeys",
    "getOauthMetadata",
    "getHealth",
    "getReadiness",
]
GROUP_OPERATIONS = [
    "findGroups",
    "createGroup",
    "getGroup",
    "updateGroup",
    "patchGroup",
    "deleteGroup",
]
OPERATIONS = [
    *USER_OPERATIONS,
    *GROUP_OPERATIONS,
    "searchUsers",
    "searchGroups",
    "search",
    "bulk",
    *DISCOVERY,
    *WITHOUT_A_KEY,
]
MANAGEMENT = [
    *("getSettings", "updateSettings", "findKeys", "createKey", "getKey", "rotateKey", "revokeKey"),
    "updateKey",
    *("findRoleMappings", "createRoleMapping", "deleteRoleMapping", "getUserRoles"),
    *(
        "findRoles",
        "createRole",
        "getRole",
        "updateRole",
        "changeRole",
        "deleteRole",
        "verifyPassword",
        "findChanges",
        "findAudit",
    ),
    *("findSchemas", "createSchema", "getSchema", "updateSchema", "deleteSchema"),
    *("findResourceTypes", "createResourceType", "getResourceType", "deleteResourceType"),
    *(
        "findWebhooks",
        "createWebhook",
        "getWebhook",
        "updateWebhook",
        "deleteWebhook",
        "rotateWebhook",
        "testWebhook",
    ),
    *("findConnections", "createConnection", "getConnection", "updateConnection", "getOwner"),
    *("pauseConnection", "resumeConnection", "deleteConnection", "findTrusts", "createTrust"),
    *("deleteTrust", "findOauthClients", "createOauthClient", "rotateOauthClient"),
    *("deleteOauthClient", "findSetupLinks", "createSetupLink", "getSetupLink", "revokeSetupLink"),
    *("getOverview", "wipe", "planUndo", "undo", "validateAddress"),
    *("getOpenIdConnector", "setOpenIdConnector", "deleteOpenIdConnector"),
    *("findDeliveries", "redeliver", "getGuard", "letThrough", "keepHeld"),
    *("previewRoleMappings", "decideHeld", "findProtectedUsers", "protectUser", "unprotectUser"),
    *("previewSchema", "updateResourceType", "resolveFinding", "reopenFinding", "findEventTypes"),
    *("findRequests", "getRequest", "getDoctor", "findHistory", "getPast", "restore"),
]
PLATFORM = [
    *("findWorkspaces", "createWorkspace", "getWorkspace", "updateWorkspace", "deleteWorkspace"),
    *("suspendWorkspace", "resumeWorkspace", "restoreWorkspace"),
    *("findInvitations", "createInvitation", "revokeInvitation", "findUsage", "getUsage"),
    *("findWorkspaceKeys", "createWorkspaceKey", "getWorkspaceKey", "updateWorkspaceKey"),
    *("rotateWorkspaceKey", "revokeWorkspaceKey"),
    *("findWorkspaceConnections", "createWorkspaceConnection", "getWorkspaceConnection"),
    *("updateWorkspaceConnection", "deleteWorkspaceConnection", "pauseWorkspaceConnection"),
    *("resumeWorkspaceConnection", "findWorkspaceOauthClients", "createWorkspaceOauthClient"),
    *("rotateWorkspaceOauthClient", "deleteWorkspaceOauthClient", "findWorkspaceTrusts"),
    *("createWorkspaceTrust", "deleteWorkspaceTrust"),
    *("findPlatformChanges", "findPlatformAudit", "findPlatformEventTypes", "redeliverPlatform"),
    *("findPlatformWebhooks", "createPlatformWebhook", "getPlatformWebhook", "testPlatformWebhook"),
    *("updatePlatformWebhook", "deletePlatformWebhook", "rotatePlatformWebhook"),
    *("findPlatformDeliveries", "getBrand", "updateBrand"),
    *(
        "createWorkspaceSetupLink",
        "findWorkspaceSetupLinks",
        "getWorkspaceSetupLink",
        "revokeWorkspaceSetupLink",
    ),
]
"""The operations of the platform API, which tests/http/platform tries with wrong values."""
UNUSED_CHECKS = {
    "negative_data_rejection": (
        "SCIM takes requests that the document's schemas do not describe: a startIndex below 1 is 1 (RFC 7644 section 3.4.2.4),"
        " unknown attributes are ignored, and lenient workspaces read the dialects of clients."
    ),
    "positive_data_acceptance": (
        "The document cannot describe the syntax of filters and paths, unique values, or attributes that depend on each other."
    ),
    "use_after_free": "It follows resources over several operations; tests/http and tests/contract do that by name.",
    "ensure_resource_availability": "As use_after_free.",
    "object_level_authorization": "It needs two sets of credentials; tests/outside/test_isolation.py has two workspaces.",
}
"""The checks of schemathesis that are not run, and why."""
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    [name for name in schemathesis.checks.CHECKS.get_all_names() if name not in UNUSED_CHECKS]
)


MANAGEMENT_CHECKS = schemathesis.checks.CHECKS.get_by_names(
    [
        name
        for name in schemathesis.checks.CHECKS.get_all_names()
        if name not in UNUSED_CHECKS or name == "negative_data_rejection"
    ]
)
"""The management REST has shapes of its own: a request that contradicts them must be refused."""


@pytest.fixture(scope="module")
def openapi(server):
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_the_list_is_whole(server):
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"].values()
    assert {
        item["operationId"] for path in paths for item in path.values() if "operationId" in item
    } == {
        *OPERATIONS,
        *MANAGEMENT,
        *PLATFORM,
    }


def test_every_check_is_run_or_has_a_reason():
    assert set(UNUSED_CHECKS) < set(schemathesis.checks.CHECKS.get_all_names())
    assert len(CHECKS) == 9


FRAMING = {
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def unframed(case):
    """Drop headers of the connection, which the HTTP server itself checks."""
    for name in [name for name in case.headers or () if name.lower() in FRAMING]:
        del case.headers[name]
    return case


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation(openapi, tokens, operation_id, mode):
    operation = openapi.find_operation_by_id(operation_id)
    headers = {"Authorization": f"Bearer {tokens['default']}"}

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        response = unframed(case).call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    run()


@pytest.fixture(scope="module")
def administrator(server):
    """The key of a workspace whose settings no other test depends on."""
    server.muster("workspaces", "create", "fuzzed")
    return server.key("fuzzed", "--workspace", "fuzzed")


@pytest.mark.parametrize("operation_id", MANAGEMENT)
def test_every_operation_of_the_management_rest(openapi, administrator, operation_id):
    operation = openapi.find_operation_by_id(operation_id)

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        | operation.as_strategy()
    )
    def run(case):
        checks = MANAGEMENT_CHECKS
        if operation_id == "findChanges" and case.query and "wait" in case.query:
            case.query.pop("wait")  # it would wait; without it a wrong request may be a right one
            checks = CHECKS
        response = unframed(case).call(headers={"Authorization": f"Bearer {administrator}"})
        case.validate_response(response, checks=checks)

    run()
