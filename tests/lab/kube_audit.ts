// What was asked of an API server, as its own audit log tells it.

/** A request as the API server's audit tells it. */
export interface AuditedRequest {
  readonly verb: string;
  readonly user: string;
  /** The user that it acted as, if it impersonated one. */
  readonly impersonated?: unknown;
  /** `pods`, `pods/status`; a path where it was for no resource. */
  readonly what: string;
  readonly uri: string;
  /** 0 while it is under way. */
  readonly code: number;
}

/** Each request when it has come and when it has been answered. */
export const AUDIT_POLICY = JSON.stringify({
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  rules: [{ level: "Metadata" }],
});

/** Returns the requests of a log, each once, the oldest first. */
export function readAudit(text: string): AuditedRequest[] {
  const byId = new Map<string, AuditedRequest>();
  for (const line of text.split("\n").slice(0, -1)) {
    const event = JSON.parse(line);
    const { auditID, verb, user, objectRef, requestURI, responseStatus } = event;
    const { resource, subresource } = objectRef ?? {};
    const what = resource ? `${resource}${subresource ? `/${subresource}` : ""}` : requestURI;
    const code = responseStatus?.code ?? 0;
    byId.set(auditID, {
      ...{ verb, user: user.username, what, uri: requestURI, code },
      ...event.impersonatedUser ? { impersonated: event.impersonatedUser } : {},
    });
  }
  return [...byId.values()];
}
