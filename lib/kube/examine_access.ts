// Whether an API server takes our credentials, what it permits, and what its clock says.

import { type Fault, faultFrom } from "../util/errors.ts";
import { type AccessOptions, accessSource } from "./access.ts";
import { ApiConnection } from "./api_connection.ts";
import { NEEDED_RIGHTS, type Right } from "./needed_rights.ts";

/** What is known of an access. */
export interface AccessReport {
  /** URL. */
  readonly server: string;
  /** PEM of our certificate; absent with a token. */
  readonly certificate?: string;
  /** Milliseconds of the epoch by the server's clock, to the second, when it answered; absent if it does not say. */
  readonly clockMs?: number;
  /** Rights that our user does not have, as `list pods`. */
  readonly missing: readonly string[];
  /** Why the server did not answer all questions; the fields above are then incomplete. */
  readonly fault?: Fault;
}

/** Asks the API server that `kubeconfig` names. Faults: those of the access; usage, for its certificate or key. */
export async function examineAccess(
  kubeconfig: string,
  { limitMs, ...options }: AccessOptions & { readonly limitMs: number },
): Promise<AccessReport> {
  const access = await accessSource(kubeconfig, options)();
  using connection = new ApiConnection(access);
  const { server, cert: certificate } = access;
  const known = { server, ...certificate === undefined ? {} : { certificate } };
  try {
    const answers = await Promise.all(
      NEEDED_RIGHTS.map((right) => askRight(connection, right, limitMs)),
    );
    const clockMs = Date.parse(answers[0]?.date ?? "");
    return {
      ...known,
      ...Number.isNaN(clockMs) ? {} : { clockMs },
      missing: answers.flatMap(({ isAllowed, name }) => isAllowed ? [] : [name]),
    };
  } catch (error) {
    return { ...known, missing: [], fault: faultFrom(error) };
  }
}

/** Every user may ask this about itself (cluster role system:basic-user). */
async function askRight(
  connection: ApiConnection,
  { group, verb, resource, subresource = "" }: Right,
  limitMs: number,
) {
  const response = await connection.request({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    body: {
      type: "application/json",
      text: JSON.stringify({
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { group, verb, resource, subresource } },
      }),
    },
    signal: AbortSignal.timeout(limitMs),
  }, limitMs);
  const { status } = await response.json() as { readonly status?: { readonly allowed?: boolean } };
  const name = `${verb} ${resource}${subresource && `/${subresource}`}`;
  return { name, isAllowed: status?.allowed === true, date: response.headers.get("date") };
}
