import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { packRepository } from "#git/store/pack-repository.js";
import { git } from "#git/process/run.js";
import { storageIn } from "#server/data-folder/storage.js";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
} from "./support/harness.js";
import { account, clientOf, withServer } from "./support/server.js";

const checkpoints = 10_000;
const files = 1000;
const rounds = 9;

/** The benefit of background packing for clones. */
export const packing: Benchmark = {
  name: "packing",
  method:
    `A project with ${checkpoints} checkpoints of one file among ${files}, stored as loose objects, ` +
    `is packed by the background maintenance. git clone over HTTP, ${rounds} rounds that alternate ` +
    "with clones of the same project after `git repack -a -d -f`. The loose objects are cloned once " +
    "before.",
  run: async (folder, log) => {
    log("creating the history");
    const history = join(folder, "history.git");
    await command("git", ["init", "--quiet", "--bare", "--initial-branch=main", history], folder);
    await git(["fast-import", "--quiet"], { gitDir: history, input: historyOf(), timeoutMs: 0 });
    const tip = (await command("git", ["rev-parse", "refs/heads/main"], history)).trim();
    const packs = join(history, "objects/pack");
    const pack = (await readdir(packs)).find((name) => name.endsWith(".pack")) as string;
    const dataDir = join(folder, "data");
    return withServer({ dataDir }, async ({ url }, api) => {
      const { data: org } = await api.organizations.create({ body: { name: "Packed" } });
      const make = async (name: string): Promise<{ repoPath: string; clone: string }> => {
        const { data } = await api.projects.create({ body: { organization_id: org.id, name } });
        const repoPath = storageIn(dataDir).repository(org.id, data.id);
        const input = createReadStream(join(packs, pack));
        await git(["unpack-objects", "-q"], { gitDir: repoPath, input, timeoutMs: 0 });
        await git(["update-ref", "refs/heads/main", tip], { gitDir: repoPath });
        return { repoPath, clone: data.clone_url };
      };
      const [ours, fresh] = [await make("ours"), await make("fresh")];
      const { data: tokens } = await clientOf(url, null).auth.login({ body: account });
      const { data: key } = await clientOf(url, tokens.access_token).apiKeys.create({
        body: { name: "clone", scopes: ["*:*"] },
      });
      let clones = 0;
      const clone = (address: string) => (): Promise<number> => {
        const target = join(folder, `clone-${(clones += 1)}`);
        const from = address.replace("://", `://key:${key.key}@`);
        return timed(() => command("git", ["clone", "--quiet", "--bare", from, target], folder));
      };
      log("cloning loose objects");
      const loose = await clone(ours.clone)();
      log("packing");
      const packMs = await timed(() => packRepository(ours.repoPath, new AbortController().signal));
      await git(["repack", "-a", "-d", "-f", "-q"], { gitDir: fresh.repoPath, timeoutMs: 0 });
      log("cloning");
      const figures = await interleave(rounds, {
        ours: clone(ours.clone),
        fresh: clone(fresh.clone),
      });
      const [mine, other] = [median(figures.ours), median(figures.fresh)];
      return [
        {
          label: `git clone after ${checkpoints} checkpoints and background packing`,
          result: ms(mine),
          baseline: `${ms(other)}, freshly packed`,
          ratio: `${times(mine / other)} (${spread(figures.ours, figures.fresh)})`,
          target: "at most 1.3 ×",
          met: mine / other <= 1.3,
        },
        {
          label: "… before packing",
          result: ms(loose),
          baseline: `${ms(other)}, freshly packed`,
          ratio: times(loose / other),
          target: "",
          met: null,
        },
        {
          label: "… duration of packing at low priority",
          result: ms(packMs),
          baseline: "",
          ratio: "",
          target: "",
          met: null,
        },
      ];
    });
  },
};

/** A history for git fast-import: each commit changes one line of one file. */
function historyOf(): string {
  const lines = Array.from({ length: files }, (_, file) =>
    Array.from(
      { length: 40 },
      (_, line) => `line ${line} of file ${file}, ${hash(file * 40 + line)}`,
    ),
  );
  const parts: string[] = [];
  const write = (file: number): void => {
    const text = `${(lines[file] ?? []).join("\n")}\n`;
    const path = `dir${file % 40}/sub${file % 7}/file${file}.ts`;
    parts.push(`M 100644 inline ${path}\ndata ${text.length}\n${text}\n`);
  };
  for (let number = 0; number < checkpoints; number += 1) {
    const message = `Checkpoint ${number}`;
    const time = 1_700_000_000 + number * 60;
    parts.push(`commit refs/heads/main\ncommitter Bench <bench@example.com> ${time} +0000\n`);
    parts.push(`data ${message.length}\n${message}\n`);
    if (number === 0) for (let file = 0; file < files; file += 1) write(file);
    const file = hash(number) % files;
    const changed = lines[file];
    if (changed) changed[hash(number + 1) % 40] = `changed by ${number}, ${hash(number * 7)}`;
    if (number > 0) write(file);
  }
  return parts.join("");
}

/** Distributes numbers evenly and deterministically (Knuth's multiplicative hash). */
function hash(number: number): number {
  return Math.imul(number + 1, 2_654_435_761) >>> 8;
}
