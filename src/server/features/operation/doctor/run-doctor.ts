import type { DoctorCheck } from "#shared/api/operation/doctor.js";
import { doctor } from "#shared/api/operation/doctor.js";
import { runCheck, type Check } from "#shared/node/doctor-check.js";
import { defaultSender } from "../../../config/mail-settings.js";
import { AppError } from "../../../errors.js";
import { isForwarded } from "../../../http/forwarding/home-availability.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import { listClusterNodes } from "../nodes/index.js";
import type { Services } from "../../services.js";
import { backups } from "./checks/backups.js";
import { clock, databaseNotifications, databaseRights, jobs } from "./checks/database.js";
import { disk } from "./checks/disk.js";
import { egress } from "./checks/egress.js";
import { mail } from "./checks/mail.js";
import { objectStorage } from "./checks/object-storage.js";
import { sandboxEscapes } from "./checks/sandbox.js";
import { runnerVersions, servers } from "./checks/versions.js";
import { ANSWER_MS, MAX_LISTED } from "./limits.js";

export type DoctorDeps = Pick<
  Services,
  "build" | "config" | "db" | "node" | "otherNodes" | "publicUrl" | "sandbox"
>;

/** The checks of this server. */
function ownChecks({ config, db, publicUrl, sandbox }: DoctorDeps, mailTo: string | null): Check[] {
  const { dataDir, objectStorage: storage, smtp } = config;
  return [
    databaseRights(db),
    databaseNotifications(db),
    clock(db),
    disk(dataDir),
    objectStorage(storage),
    mail(smtp, () => config.mailFrom ?? defaultSender(publicUrl()), mailTo),
    sandboxEscapes(sandbox, dataDir),
    egress(sandbox, dataDir),
  ];
}

/** The checks of what all servers share. */
const sharedChecks = ({ db, build }: DoctorDeps): Check[] => [
  servers(db, build.version),
  runnerVersions(db, build.version),
  backups(db),
  jobs(db),
];

/**
 * Checks this server, the others and the installation, one call at a time. A request of another server is
 * about this one alone.
 * @throws AppError 409 `doctor_running`
 */
export async function runDoctor(
  deps: DoctorDeps,
  context: ActorContext,
  mailTo: string | null,
): Promise<DoctorCheck[]> {
  const run = (checks: Check[], server: string | null): Promise<DoctorCheck[]> =>
    Promise.all(checks.map((check) => runCheck(check, server)));
  const runOwn = (): Promise<DoctorCheck[]> => run(ownChecks(deps, mailTo), deps.node.name);
  if (isForwarded(context.request)) return runOwn();
  let checking: Promise<DoctorCheck[][]> | undefined;
  const check = async (): Promise<void> => {
    checking = Promise.all([
      runOwn(),
      askOthers(deps, context, mailTo),
      run(sharedChecks(deps), null),
    ]);
    await checking;
  };
  await deps.db.tryLock("doctor", check).catch(async (error: unknown) => {
    // A fault of the connection for locks is one that the checks explain.
    context.log.warn({ err: error }, "the doctor runs without its lock");
    if (!checking) await check();
  });
  if (checking) return (await checking).flat();
  throw new AppError(
    "doctor_running",
    "Another omoi doctor checks the installation; wait for its end.",
  );
}

/** Returns the checks of the other servers that are running. */
async function askOthers(
  { db, node, otherNodes }: DoctorDeps,
  context: ActorContext,
  mailTo: string | null,
): Promise<DoctorCheck[]> {
  if (otherNodes.isNone) return [];
  const all = await db.withSystem("list the nodes", (tx) => listClusterNodes(tx, null, MAX_LISTED));
  const others = all.filter(({ id, status }) => id !== node.id && status !== "unavailable");
  const body = mailTo === null ? {} : { mail_to: mailTo };
  const answers = await otherNodes.ask(
    context,
    others.map(({ id }) => id),
    { body, timeoutMs: ANSWER_MS },
  );
  return others.flatMap(({ id, name, url }): DoctorCheck[] => {
    const answer = doctor.run.response.safeParse(answers.get(id));
    if (answer.success) return answer.data.checks;
    return [
      {
        name: "server",
        server: name,
        status: "failed",
        tried: `Ask the server at ${url} for its checks`,
        seen: "it did not answer",
        cure: `Check that the servers reach each other: curl ${url}/healthz`,
      },
    ];
  });
}
