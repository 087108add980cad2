// A user's whole life by the RingCentral SDK: node ringcentral.cjs URL TOKEN. What it saw is printed as JSON.
const RingCentral = require("@rc-ex/core").default;

const [server, access_token] = process.argv.slice(2);
const client = new RingCentral({ server });
client.token = { access_token };
const scim = client.scim("v2");
const USER = ["urn:ietf:params:scim:schemas:core:2.0:User"];
const PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
const SEARCH = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];

async function refused(promise) {
    try {
        await promise;
        return null;
    } catch (error) {
        return error.response.status;
    }
}

async function main() {
    const seen = {};
    seen.config = await scim.serviceProviderConfig().get();
    seen.types = (await scim.resourceTypes().list()).Resources.map((type) => type.id);
    seen.schemas = (await scim.schemas().list()).Resources.map((schema) => schema.id);
    const emails = [{ type: "work", value: "grace@example.com" }];
    const name = { givenName: "Grace", familyName: "Hopper" };
    const made = await scim.users().post({ schemas: USER, userName: "grace@example.com", name, emails, active: true });
    seen.created = made;
    seen.again = await refused(scim.users().post({ schemas: USER, userName: "Grace@example.com", name, emails, active: true }));
    seen.read = await scim.users(made.id).get();
    const listed = await scim.users().list({ filter: 'userName eq "grace@example.com"', startIndex: 1, count: 10 });
    seen.listed = [listed.totalResults, listed.Resources.map((user) => user.id)];
    const asked = { schemas: SEARCH, filter: 'name.familyName sw "hop"', startIndex: 1, count: 10 };
    seen.searched = (await scim.users().dotSearch().post(asked)).Resources.map((user) => user.id);
    const Operations = [
        { op: "replace", path: "title", value: "Rear admiral" },
        { op: "add", path: "emails", value: [{ type: "home", value: "grace@home.example" }] },
    ];
    seen.patched = await scim.users(made.id).patch({ schemas: PATCH, Operations });
    seen.disabled = await scim.users(made.id).patch({
        schemas: PATCH,
        Operations: [{ op: "replace", path: "active", value: false }],
    });
    seen.replaced = await scim.users(made.id).put({ schemas: USER, userName: "hopper@example.com", name, emails, active: true });
    seen.deleted = await refused(scim.users(made.id).delete());
    seen.gone = await refused(scim.users(made.id).get());
    console.log(JSON.stringify(seen));
}

main().catch((error) => {
    console.error(error.message, error.response?.data);
    process.exit(1);
});
