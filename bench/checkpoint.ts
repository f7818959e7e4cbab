import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { changeSevenFiles, importProject, makeRepository } from "./support/repository.js";
import { withServer } from "./support/server.js";

const sizes = [
  { count: 2000, rounds: 21, target: 0.8 },
  { count: 50_000, rounds: 9, target: 0.3 },
] as const;
type Size = (typeof sizes)[number];

/** The most frequent operation of agents. */
export const checkpoint: Benchmark = {
  name: "checkpoint",
  method:
    "POST …/commits of seven changed files among 2 000 and 50 000, from request to response, in rounds that " +
    "alternate with `git add -A && git commit` in a checkout of the same files on the same disk. A checkpoint " +
    "without changes alternates with `git status`.",
  run: async (folder, log) => {
    const rows: Row[] = [];
    for (const size of sizes) {
      const place = join(folder, String(size.count));
      await mkdir(place);
      rows.push(...(await measureSize(place, size, log)));
    }
    return rows;
  },
};

async function measureSize(
  folder: string,
  { count, rounds, target }: Size,
  log: (line: string) => void,
): Promise<Row[]> {
  const source = await makeRepository(folder, count);
  const checkout = join(folder, "checkout");
  await command("git", ["clone", "--quiet", "--no-local", source, checkout], folder);
  const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
  const files = count.toLocaleString("en-US").replace(",", " ");
  return withServer(options, async (_server, api) => {
    const project_id = await importProject(api, source);
    const { data: agent } = await api.agents.create({ body: { project_id, name: "worker-1" } });
    const params = { agent_id: agent.id };
    const { data: workspace } = await api.workspaces.create({ params });
    const save = async (expected: number): Promise<number> =>
      timed(async () => {
        const { data } = await api.workspaces.createCommit({
          params,
          body: { commit_type: "checkpoint" },
        });
        const changed = data.created ? data.files_changed : 0;
        if (changed !== expected) throw new Error(`${changed} files changed`);
      });
    const figures = await interleave(rounds, {
      api: async (round) => {
        if (round % 5 === 0) log(`${files} files: round ${round} of ${rounds}`);
        await changeSevenFiles(workspace.working_directory as string, round, count);
        return save(7);
      },
      commit: async (round) => {
        await changeSevenFiles(checkout, round, count);
        const line = 'git add -A && git commit --quiet -m "Seven files"';
        return timed(() => command("sh", ["-c", line], checkout));
      },
      unchanged: () => save(0),
      status: () => timed(() => command("git", ["status", "--porcelain"], checkout)),
    });
    const row = (
      label: string,
      name: "api" | "unchanged",
      against: "commit" | "status",
      most: number | null,
    ): Row => {
      const [ours, theirs] = [median(figures[name]), median(figures[against])];
      const program = against === "commit" ? "git add -A && git commit" : "git status";
      return {
        label,
        result: ms(ours),
        baseline: `${ms(theirs)}, ${program}`,
        ratio: `${times(ours / theirs)} (${spread(figures[name], figures[against])})`,
        target: most === null ? "" : `at most ${most} ×`,
        met: most === null ? null : ours / theirs <= most,
      };
    };
    return [
      row(`Checkpoint of 7 files among ${files}, through the API`, "api", "commit", target),
      row("… without changes", "unchanged", "status", null),
    ];
  });
}
