import { randomUUID } from "node:crypto";
import type { V1ObjectMeta } from "@kubernetes/client-node";

/** An object with its metadata. */
export interface StoredObject {
  apiVersion: string;
  kind: string;
  metadata: V1ObjectMeta & { name: string; uid: string };
}

/** An answer other than success. */
export class StatusError extends Error {
  readonly status: number;
  readonly reason: string;

  /** @param reason as in `metav1.StatusReason`; for status 409 `Conflict` by default */
  constructor(status: number, message: string, reason = status === 409 ? "Conflict" : "") {
    super(message);
    this.status = status;
    this.reason = reason;
  }

  toStatus(): object {
    const { status: code, message, reason } = this;
    return { apiVersion: "v1", kind: "Status", status: "Failure", code, message, reason };
  }
}

const KINDS: Readonly<Record<string, { apiVersion: string; kind: string }>> = {
  jobs: { apiVersion: "batch/v1", kind: "JobList" },
  pods: { apiVersion: "v1", kind: "PodList" },
  secrets: { apiVersion: "v1", kind: "SecretList" },
  networkpolicies: { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicyList" },
};

/** The objects of a namespace, by the plural of their kind. An object is deleted with its owner. */
export class ObjectStore {
  readonly #objects = new Map<string, StoredObject[]>();

  list(resource: string): StoredObject[] {
    return this.#objects.get(resource) ?? [];
  }

  /** @throws StatusError 404 */
  find(resource: string, name: string): StoredObject {
    const found = this.list(resource).find(({ metadata }) => metadata.name === name);
    if (!found) throw new StatusError(404, `${resource} "${name}" not found`);
    return found;
  }

  /** @throws StatusError 409 */
  create(resource: string, object: StoredObject): StoredObject {
    if (!(resource in KINDS)) throw new StatusError(404, "the server could not find it");
    const { name } = object.metadata;
    if (this.list(resource).some(({ metadata }) => metadata.name === name)) {
      throw new StatusError(409, `${resource} "${name}" already exists`, "AlreadyExists");
    }
    const created = structuredClone(object);
    Object.assign(created.metadata, {
      uid: randomUUID(),
      creationTimestamp: new Date().toISOString(),
    });
    this.#objects.set(resource, [...this.list(resource), created]);
    // The garbage collector: what names an owner that is gone.
    this.#collect();
    return created;
  }

  /** @throws StatusError 404, 409 for another uid */
  delete(resource: string, name: string, uid?: string): void {
    const { metadata } = this.find(resource, name);
    if (uid !== undefined && metadata.uid !== uid) {
      throw new StatusError(409, "the UID in the precondition does not match");
    }
    this.#objects.set(
      resource,
      this.list(resource).filter((object) => object.metadata.uid !== metadata.uid),
    );
    this.#collect();
  }

  /** @param token of the last page; the position of the next object */
  page(
    resource: string,
    selector: string,
    limit: number,
    token: string | null,
  ): { metadata: object; items: StoredObject[] } {
    const kind = KINDS[resource];
    if (!kind) throw new StatusError(404, "the server could not find it");
    const wanted = selector
      .split(",")
      .filter(Boolean)
      .map((one) => one.split("="));
    const matching = this.list(resource).filter(({ metadata }) =>
      wanted.every(([key = "", value]) => metadata.labels?.[key] === value),
    );
    const from = Number(token ?? "0");
    const to = limit > 0 ? from + limit : matching.length;
    const metadata = {
      resourceVersion: "1",
      ...(to < matching.length && { continue: String(to) }),
    };
    return { ...kind, metadata, items: matching.slice(from, to) };
  }

  #collect(): void {
    const uids = new Set([...this.#objects.values()].flat().map(({ metadata }) => metadata.uid));
    for (const [resource, objects] of this.#objects) {
      const left = objects.filter(({ metadata: { ownerReferences = [] } }) =>
        ownerReferences.every(({ uid }) => uids.has(uid)),
      );
      this.#objects.set(resource, left);
    }
  }
}
