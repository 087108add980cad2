/* Passkeys: a form with data-passkey asks the server for options, the authenticator for a response,
   and is then sent with that response. Without this file, or without passkeys, the form is hidden. */
"use strict";

const fromText = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const withIds = (list) => (list || []).map((item) => ({ ...item, id: fromText(item.id) }));

async function askServer(form) {
  const answer = await fetch(form.dataset.challenge, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const kind = answer.headers.get("content-type") || "";
  const body = kind.startsWith("application/json") ? await answer.json() : {};
  if (!answer.ok || answer.redirected) throw new Error(body.error || body.detail || "This page has expired. Reload it and try again.");
  return body;
}

async function create(options) {
  const publicKey = { ...options, challenge: fromText(options.challenge), user: { ...options.user, id: fromText(options.user.id) }, excludeCredentials: withIds(options.excludeCredentials) };
  const made = await navigator.credentials.create({ publicKey });
  return describe(made, { attestationObject: toText(made.response.attestationObject) });
}

async function get(options) {
  const publicKey = { ...options, challenge: fromText(options.challenge), allowCredentials: withIds(options.allowCredentials) };
  const found = await navigator.credentials.get({ publicKey });
  const { authenticatorData, signature, userHandle } = found.response;
  return describe(found, { authenticatorData: toText(authenticatorData), signature: toText(signature), userHandle: userHandle ? toText(userHandle) : "" });
}

const describe = (credential, response) => ({
  id: credential.id,
  rawId: toText(credential.rawId),
  type: credential.type,
  response: { clientDataJSON: toText(credential.response.clientDataJSON), ...response },
});

const PROBLEMS = {
  NotAllowedError: "The passkey was not used: the dialog was closed, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys do not work at this address. Open the console at its public URL.",
  NotSupportedError: "This device cannot create a passkey with a fingerprint, face or PIN.",
};

document.querySelectorAll("form[data-passkey]").forEach((form) => {
  if (!window.PublicKeyCredential) {
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = "This browser cannot use passkeys.";
    form.replaceWith(hint);
    return;
  }
  const problem = form.querySelector("[data-problem]");
  const button = form.querySelector("button");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    button.disabled = true;
    try {
      const options = await askServer(form);
      const response = await (form.dataset.passkey === "create" ? create(options) : get(options));
      form.elements.credential.value = JSON.stringify(response);
      form.submit();
    } catch (error) {
      problem.textContent = PROBLEMS[error.name] || error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  });
});
