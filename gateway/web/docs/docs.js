"use strict";

// The description's address comes from this table, never from the address bar.
const documents = {
  v1beta1: "/openapi/v3/apis/secret.grafana.app/v1beta1",
  v1: "/openapi/v3/apis/secret.grafana.app/v1",
  access: "/openapi/v3/apis/authorization.k8s.io/v1",
};

const asked = new URLSearchParams(window.location.search).get("version");
const version = Object.hasOwn(documents, asked) ? asked : "v1beta1";

for (const link of document.querySelectorAll("nav a")) {
  if (new URL(link.href).searchParams.get("version") === version) {
    link.setAttribute("aria-current", "page");
  }
}

SwaggerUIBundle({
  url: documents[version],
  dom_id: "#operations",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: false,
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false },
});
