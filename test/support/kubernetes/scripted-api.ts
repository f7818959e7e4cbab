import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { V1Job, V1JobStatus, V1Pod, V1PodStatus } from "@kubernetes/client-node";
import { kubernetesProblems } from "./kubernetes-problems.js";
import { ObjectStore, StatusError, type StoredObject } from "./object-store.js";

/** A right as in a Role. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** A call that arrived. */
export interface ApiCall {
  verb: string;
  /** The plural of its kind. */
  resource: string;
  name: string | null;
  status: number;
}

/** A fault of one call. */
export type Fault =
  | "none"
  /** The connection breaks before the call has an effect. */
  | "cut request"
  /** The connection breaks after its effect. */
  | "cut answer"
  /** Never answered. */
  | "hang"
  /** Answered with this status and message. */
  | { status: number; message: string };

/** An API server without a cluster: a test is its scheduler and its kubelet. */
export interface ScriptedKubernetes {
  /** Path of a kubeconfig file for it. */
  kubeConfig: string;
  calls: ApiCall[];
  /** The rights of the kubeconfig's user. */
  rules: Rule[];
  /** Returns what happens to a call. */
  fault: (call: Omit<ApiCall, "status">, number: number) => Fault;
  /** Changes the JSON of a list. */
  changeList: (resource: string, list: { items: unknown[] }) => unknown;
  list<Item = StoredObject>(resource: string): Item[];
  /** Creates an object as another user of the cluster. */
  create(resource: string, object: object): StoredObject;
  /** Deletes an object as another user of the cluster. */
  remove(resource: string, name: string): void;
  /** Returns the pods of a Job, which appear when it is resumed. */
  podsOf(job: string): V1Pod[];
  setPod(name: string, status: V1PodStatus): void;
  setJob(name: string, status: V1JobStatus): void;
  /** Stops the server until `open`. */
  close(): Promise<void>;
  open(): Promise<void>;
  dispose(): Promise<void>;
}

export const NAMESPACE = "omoi-runs";
const TOKEN = "scripted-service-account";
const certificates = join(import.meta.dirname, "../git/upstream-certificate");

/** All that a server of Omoi may do in its namespace. */
export const SERVER_RULES: Rule[] = [
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "list", "patch", "delete"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
  { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["create"] },
];

const ROUTE =
  /^\/(?:api|apis\/(?<group>[a-z0-9.]+))\/v1\/namespaces\/(?<namespace>[a-z0-9-]+)\/(?<resource>[a-z]+)(?:\/(?<name>[a-z0-9.-]+))?$/;

export async function startScriptedKubernetes(): Promise<ScriptedKubernetes> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-kubernetes-"));
  const [key, cert] = await Promise.all([
    readFile(join(certificates, "key.pem")),
    readFile(join(certificates, "certificate.pem")),
  ]);
  const store = new ObjectStore();
  let port = 0;
  const server = createServer({ key, cert }, (request, response) => {
    answer(own, store, request, response).catch(() => response.socket?.destroy());
  });
  const own: ScriptedKubernetes = {
    kubeConfig: join(folder, "kubeconfig"),
    calls: [],
    rules: SERVER_RULES,
    fault: () => "none",
    changeList: (_resource, list) => list,
    list: <Item>(resource: string) => store.list(resource) as Item[],
    create: (resource, object) => store.create(resource, structuredClone(object) as StoredObject),
    remove: (resource, name) => store.delete(resource, name),
    podsOf: (job) =>
      (store.list("pods") as V1Pod[]).filter(
        ({ metadata }) => metadata?.ownerReferences?.[0]?.name === job,
      ),
    setPod: (name, status) => {
      (store.find("pods", name) as V1Pod).status = status;
    },
    setJob: (name, status) => {
      (store.find("jobs", name) as V1Job).status = status;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
    open: async () => {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      ({ port } = server.address() as AddressInfo);
    },
    dispose: async () => {
      if (server.listening) await own.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await own.open();
  await writeFile(own.kubeConfig, kubeConfig(port, cert.toString("base64")));
  return own;
}

function kubeConfig(port: number, authority: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "scripted",
        cluster: {
          server: `https://localhost:${port}`,
          "certificate-authority-data": authority,
        },
      },
    ],
    users: [{ name: "omoi", user: { token: TOKEN } }],
    contexts: [{ name: "scripted", context: { cluster: "scripted", user: "omoi" } }],
    "current-context": "scripted",
  });
}

async function answer(
  own: ScriptedKubernetes,
  store: ObjectStore,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "https://localhost");
  const {
    group = "",
    namespace,
    resource = "",
    name = null,
  } = {
    ...ROUTE.exec(url.pathname)?.groups,
  } as { group?: string; namespace?: string; resource?: string; name?: string };
  const verb = verbOf(request.method ?? "", name);
  const call = { verb, resource, name };
  const body = await text(request);
  const fault = own.fault(call, own.calls.length);
  const record = (status: number): void => void own.calls.push({ ...call, status });
  if (fault === "hang") return record(0);
  if (fault === "cut request") {
    record(0);
    request.socket.destroy();
    return;
  }
  let status = 200;
  let content: unknown;
  try {
    if (typeof fault === "object") throw new StatusError(fault.status, fault.message);
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      throw new StatusError(401, "Unauthorized");
    }
    if (namespace !== NAMESPACE) throw new StatusError(404, "the server could not find it");
    if (!isAllowed(own.rules, group, resource, verb)) {
      throw new StatusError(403, `${resource} is forbidden: User cannot ${verb} resource`);
    }
    content = perform(own, store, { ...call, url, request, body });
    if (verb === "create") status = 201;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    ({ status } = error);
    content = error.toStatus();
  }
  record(status);
  if (fault === "cut answer") {
    request.socket.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(content));
}

function verbOf(method: string, name: string | null): string {
  if (method === "POST") return "create";
  if (method === "GET") return name === null ? "list" : "get";
  return method.toLowerCase();
}

const isAllowed = (rules: Rule[], group: string, resource: string, verb: string): boolean =>
  rules.some(
    ({ apiGroups, resources, verbs }) =>
      apiGroups.includes(group) && resources.includes(resource) && verbs.includes(verb),
  );

interface Request {
  verb: string;
  resource: string;
  name: string | null;
  url: URL;
  request: IncomingMessage;
  body: string;
}

function perform(
  own: ScriptedKubernetes,
  store: ObjectStore,
  { verb, resource, name, url, request, body }: Request,
): unknown {
  switch (verb) {
    case "list": {
      const { searchParams: query } = url;
      const list = store.page(
        resource,
        query.get("labelSelector") ?? "",
        Number(query.get("limit") ?? "0"),
        query.get("continue"),
      );
      return own.changeList(resource, list);
    }
    case "create": {
      const object = JSON.parse(body) as StoredObject;
      requireValid(object);
      return store.create(resource, object);
    }
    case "get":
      return store.find(resource, name ?? "");
    case "patch": {
      if (request.headers["content-type"] !== "application/merge-patch+json") {
        throw new StatusError(415, "the body of the request was in an unknown format");
      }
      return patchJob(store, name ?? "", JSON.parse(body) as Partial<V1Job>);
    }
    case "delete": {
      const options = (body === "" ? {} : JSON.parse(body)) as {
        preconditions?: { uid?: string };
      };
      store.delete(resource, name ?? "", options.preconditions?.uid);
      return { apiVersion: "v1", kind: "Status", status: "Success" };
    }
    default:
      throw new StatusError(405, "the server does not allow this method on the requested resource");
  }
}

function requireValid(object: StoredObject): void {
  const problems = kubernetesProblems(object);
  if (problems.length > 0) throw new StatusError(422, `is invalid: ${problems.join(", ")}`);
}

type StoredJob = StoredObject & { spec: NonNullable<V1Job["spec"]> };

/** Changes `suspend`, and acts as the controller of Jobs. */
function patchJob(store: ObjectStore, name: string, { metadata, spec }: Partial<V1Job>): V1Job {
  const job = store.find("jobs", name) as StoredJob;
  if (metadata?.uid !== undefined && metadata.uid !== job.metadata.uid) {
    throw new StatusError(409, "the UID in the precondition does not match");
  }
  const changed = structuredClone(job);
  Object.assign(changed.spec, spec);
  requireValid(changed);
  job.spec = changed.spec;
  const hasPod = (store.list("pods") as V1Pod[]).some(
    (pod) => pod.metadata?.ownerReferences?.[0]?.uid === job.metadata.uid,
  );
  if (job.spec.suspend === false && !hasPod) createPod(store, job);
  return job;
}

function createPod(store: ObjectStore, job: StoredJob): void {
  const { metadata, spec } = job.spec.template;
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${job.metadata.name}-${Math.random().toString(36).slice(2, 7).padEnd(5, "x")}`,
      labels: { ...metadata?.labels, "batch.kubernetes.io/job-name": job.metadata.name },
      ownerReferences: [
        {
          apiVersion: "batch/v1",
          kind: "Job",
          name: job.metadata.name,
          uid: job.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec,
    status: { phase: "Pending" },
  };
  requireValid(pod as unknown as StoredObject);
  store.create("pods", pod as unknown as StoredObject);
}
