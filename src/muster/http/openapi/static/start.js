"use strict";
// Draws the reference with Swagger UI, in the groups of x-tagGroups, and uses the key of the field.
const access = document.getElementById("access");
const field = document.getElementById("key");
const state = document.getElementById("state");
let key = "";

const isPlatformKey = () => key.startsWith(access.dataset.platform);
const bearer = () => ({ Authorization: `Bearer ${key}` });

function groups() {
  const wrap = (Tag, system) => (props) => {
    const { createElement, Fragment } = system.React;
    const named = system.specSelectors.specJson().get("x-tagGroups");
    const group = named && named.find((one) => one.getIn(["tags", 0]) === props.tag);
    const title = group && createElement("h2", { className: "group" }, group.get("name"));
    return createElement(Fragment, null, title, createElement(Tag, props));
  };
  return { wrapComponents: { OperationTag: wrap } };
}

function draw() {
  const ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#api",
    plugins: [groups],
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    // With a key the document has the resource types of its workspace.
    requestInterceptor: (request) => {
      if (request.loadSpec && key && !isPlatformKey()) Object.assign(request.headers, bearer());
      return request;
    },
    onComplete: () => {
      if (key) ui.preauthorizeApiKey(isPlatformKey() ? "platformKey" : "bearerAuth", key);
    },
  });
}

async function useKey() {
  key = field.value.trim();
  state.value = "";
  if (key) {
    const path = isPlatformKey() ? "api/v1/platform/workspaces" : "scim/v2/ServiceProviderConfig";
    const answer = await fetch(path, { headers: bearer() });
    const refused = answer.status === 401;
    state.value = refused
      ? "This server does not accept this key."
      : "Requests on this page now use this key, and change real data.";
    state.classList.toggle("refused", refused);
    if (refused) key = "";
  }
  draw();
}

access.addEventListener("submit", (event) => {
  event.preventDefault();
  useKey().catch((error) => {
    state.value = `The server did not answer: ${error.message}`;
  });
});

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
draw();
