// Access tokens by openid-client: node oauth.mjs URL TOKEN. It finds the token service by RFC 8414, authenticates in each
// of the three ways, and reads /Users with each access token. What it saw is printed as JSON.
import * as oauth from "openid-client";

const [url, token] = process.argv.slice(2);
const clients = `${url}/api/v1/connections/default/oauth-clients`;

async function register(body) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(clients, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.status !== 201) throw new Error(await answer.text());
    return answer.json();
}

async function signIn(clientId, authentication) {
    const options = { algorithm: "oauth2", execute: [oauth.allowInsecureRequests] };
    return oauth.discovery(new URL(url), clientId, undefined, authentication, options);
}

async function read(config, form) {
    const granted = await oauth.clientCredentialsGrant(config, form);
    const users = await oauth.fetchProtectedResource(config, granted.access_token, new URL(`${url}/scim/v2/Users`), "GET");
    return [granted.token_type, granted.scope, granted.expires_in, users.status];
}

const seen = {};
const { clientId, clientSecret } = await register({ name: "secret" });
const basic = await signIn(clientId, oauth.ClientSecretBasic(clientSecret));
seen.issuer = basic.serverMetadata().issuer;
seen.basic = await read(basic, { scope: "scim" });
seen.post = await read(await signIn(clientId, oauth.ClientSecretPost(clientSecret)), {});
for (const alg of ["ES256", "RS256", "PS256"]) {
    const parameters = alg === "ES256" ? { name: "ECDSA", namedCurve: "P-256" }
        : { name: alg === "RS256" ? "RSASSA-PKCS1-v1_5" : "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
    const pair = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]);
    const jwk = { ...await crypto.subtle.exportKey("jwk", pair.publicKey), kid: "one", use: "sig", alg };
    delete jwk.key_ops;
    const signer = await register({ name: alg, auth: "private_key_jwt", jwks: { keys: [jwk] } });
    const key = { key: pair.privateKey, kid: "one" };
    seen[alg] = await read(await signIn(signer.clientId, oauth.PrivateKeyJwt(key)), { scope: "scim" });
}
try {
    await oauth.clientCredentialsGrant(await signIn(clientId, oauth.ClientSecretBasic("wrong")), {});
} catch (error) {
    seen.wrong = [error.error ?? error.cause?.[0]?.parameters?.error ?? error.code, error.status];
}
try {
    await oauth.clientCredentialsGrant(basic, { scope: "admin" });
} catch (error) {
    seen.scope = [error.error, error.status, Boolean(error.error_description)];
}
console.log(JSON.stringify(seen));
