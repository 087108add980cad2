// Runs SCIMMY (npm) behind express, with the users of a JSON Lines file: node scimmy.mjs FILE PORT
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [file, port] = process.argv.slice(2);
const users = new Map();
const names = new Map();

function keep(user) {
    users.set(user.id, user);
    names.set(user.userName.toLowerCase(), user);
    return user;
}

for await (const line of createInterface({ input: createReadStream(file) })) keep(JSON.parse(line));

// The filter that every provider sends uses a map; SCIMMY evaluates all others.
function named(filter) {
    const [only, ...more] = filter ?? [];
    const [operator, value] = more.length === 0 && only && Object.keys(only).length === 1 ? (only.userName ?? []) : [];
    return operator === "eq" ? String(value).toLowerCase() : undefined;
}

function find(resource) {
    if (resource.id) {
        const found = users.get(resource.id);
        if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
        return found;
    }
    const name = named(resource.filter);
    if (name === undefined) return [...users.values()];
    const found = names.get(name);
    return found ? [found] : [];
}

function write(resource, instance) {
    const now = new Date().toISOString();
    const before = resource.id ? find(resource) : undefined;
    const other = names.get(instance.userName.toLowerCase());
    if (other && other !== before) throw new SCIMMY.Types.Error(409, "uniqueness", "userName is taken");
    const meta = { ...before?.meta, created: before?.meta?.created ?? now, lastModified: now };
    return keep({ ...JSON.parse(JSON.stringify(instance)), id: before?.id ?? randomUUID(), meta });
}

SCIMMY.Resources.declare(SCIMMY.Resources.User)
    .egress(find)
    .ingress(write)
    .degress((resource) => users.delete(resource.id));
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser);
const app = express();
app.use("/", new SCIMMYRouters({ type: "bearer", handler: () => "bench" }));
app.listen(Number(port), "127.0.0.1");
