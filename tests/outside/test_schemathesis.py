"""Generated requests get no 5xx and no status that /openapi.json lacks."""

import httpx
import pytest
import schemathesis
from schemathesis import GenerationMode

from conformance.suites.openapi import (
    CHECKS,
    UNUSED_CHECKS,
    check_management,
    check_scim,
    document,
    operations,
)

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
WITHOUT_PARAMETERS = WITHOUT_A_KEY[1:]
"""Operations that read nothing of a request, so that none is wrong."""
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


@pytest.fixture(scope="module")
def openapi(server):
    return document(server.url)


def test_the_list_is_whole(server):
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"].values()
    assert {
        item["operationId"] for path in paths for item in path.values() if "operationId" in item
    } == {
        *OPERATIONS,
        *MANAGEMENT,
        *PLATFORM,
    }


def test_the_operations_are_those_of_their_kinds(openapi):
    assert {kind: sorted(found) for kind, found in operations(openapi).items()} == {
        "scim": sorted(OPERATIONS),
        "management": sorted(MANAGEMENT),
        "platform": sorted(PLATFORM),
    }


def test_every_check_is_run_or_has_a_reason():
    assert set(UNUSED_CHECKS) < set(schemathesis.checks.CHECKS.get_all_names())
    assert len(CHECKS) == 9


CASES = [
    (operation_id, mode)
    for operation_id in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation_id not in WITHOUT_PARAMETERS
]


@pytest.mark.parametrize(
    ("operation_id", "mode"), CASES, ids=[f"{name}-{mode.value}" for name, mode in CASES]
)
def test_every_operation(openapi, tokens, operation_id, mode):
    check_scim(openapi, operation_id, mode, tokens["default"])


@pytest.fixture(scope="module")
def administrator(server):
    """The key of a workspace whose settings no other test depends on."""
    server.muster("workspaces", "create", "fuzzed")
    return server.key("fuzzed", "--workspace", "fuzzed")


@pytest.mark.parametrize("operation_id", MANAGEMENT)
def test_every_operation_of_the_management_rest(openapi, administrator, operation_id):
    check_management(openapi, operation_id, administrator)
