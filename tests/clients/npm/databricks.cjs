// A user's and a group's lives by the Databricks SDK: node databricks.cjs URL TOKEN. What it saw is printed as JSON.
// It has its resources below /api/2.0/preview/scim/v2. Its PATCH comes without a body, in every version there is.
const { WorkspaceClient } = require("@databricks/sdk-experimental");

const [host, token] = process.argv.slice(2);
const client = new WorkspaceClient({ host, token, authType: "pat" });
const PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
const USER = ["urn:ietf:params:scim:schemas:core:2.0:User"];
const GROUP = ["urn:ietf:params:scim:schemas:core:2.0:Group"];

// The SDK's own list() asks for the same page for ever, for it takes no page for the last one that has something on it.
async function page(service, request) {
    return (await service._list(request)).Resources ?? [];
}

async function refused(promise) {
    try {
        await promise;
        return null;
    } catch (error) {
        return error.statusCode ?? error.response?.status ?? String(error);
    }
}

async function users(seen) {
    const email = { value: "ada@example.com", type: "work", primary: true };
    const name = { givenName: "Ada", familyName: "Lovelace" };
    const made = await client.usersV2.create({ schemas: USER, userName: "ada@example.com", name, emails: [email], active: true });
    seen.created = made;
    seen.again = await refused(client.usersV2.create({ schemas: USER, userName: "ADA@example.com" }));
    seen.read = await client.usersV2.get({ id: made.id });
    seen.found = (await page(client.usersV2, { filter: 'userName eq "ada@example.com"' })).map((user) => user.id);
    seen.brief = await page(client.usersV2, { attributes: "userName", count: 10, startIndex: 1, sortBy: "userName" });
    const change = { id: made.id, schemas: PATCH, Operations: [{ op: "replace", path: "active", value: false }] };
    seen.patched = await refused(client.usersV2.patch(change));
    await client.usersV2.update({ id: made.id, schemas: USER, userName: "ada@example.org", displayName: "Ada", active: false });
    seen.replaced = await client.usersV2.get({ id: made.id });
    return made.id;
}

async function groups(seen, member) {
    const made = await client.groupsV2.create({ schemas: GROUP, displayName: "Analysts", members: [{ value: member }] });
    seen.group = await client.groupsV2.get({ id: made.id });
    seen.member = (await client.usersV2.get({ id: member })).groups;
    seen.groups = (await page(client.groupsV2, { filter: 'displayName eq "analysts"' })).map((group) => group.id);
    await client.groupsV2.update({ id: made.id, schemas: GROUP, displayName: "Analysts", members: [] });
    seen.emptied = (await client.groupsV2.get({ id: made.id })).members ?? [];
    await client.groupsV2.update({ id: made.id, schemas: GROUP, displayName: "Mathematicians", members: [{ value: member }] });
    seen.renamed = (await client.usersV2.get({ id: member })).groups.map((group) => group.display);
    await client.groupsV2.delete({ id: made.id });
    seen.groupGone = await refused(client.groupsV2.get({ id: made.id }));
}

async function main() {
    const seen = {};
    seen.me = await refused(client.currentUser.me());
    const user = await users(seen);
    await groups(seen, user);
    await client.usersV2.delete({ id: user });
    seen.gone = await refused(client.usersV2.get({ id: user }));
    seen.left = await page(client.usersV2, {});
    console.log(JSON.stringify(seen));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
