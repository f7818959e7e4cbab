/** Attempts of a hostile command inside a real sandbox. */
import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync, existsSync } from "node:fs";
import { readFile, symlink } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  describeEachSandbox,
  isRoot,
  openTestSandbox,
  type TestSandbox,
} from "#test/support/sandbox/test-sandbox.js";
import { descendantsOf, isAlive } from "./processes.js";

const SECRET = `server-only-${randomUUID()}`;
describeEachSandbox("a hostile command", ({ setting, mode }) => {
  let sandbox: TestSandbox;
  let loopback: Server;
  let abstract: Server;
  let port: number;

  beforeAll(async () => {
    process.env["OF_THE_SERVER"] = SECRET;
    sandbox = await openTestSandbox({ sandbox: setting });
    writeFileSync(join(sandbox.dataDir, "secret"), SECRET);
    mkdirSync(join(sandbox.dataDir, "postgres"));
    loopback = createServer((socket) => socket.end(SECRET));
    abstract = createServer((socket) => socket.end(SECRET));
    await new Promise<void>((resolve) => {
      loopback.listen(0, "127.0.0.1", resolve);
    });
    await new Promise<void>((resolve) => {
      abstract.listen(`\0omoi-${process.pid}`, resolve);
    });
    const address = loopback.address();
    port = address !== null && typeof address === "object" ? address.port : 0;
  });

  afterAll(async () => {
    delete process.env["OF_THE_SERVER"];
    loopback.close();
    abstract.close();
    await sandbox.close();
  });

  /** Runs each attempt, a snippet for Node, by itself; returns its result or error code. */
  async function attempts(
    pieces: Readonly<Record<string, string>>,
    options: Parameters<TestSandbox["run"]>[1] = {},
  ): Promise<Record<string, unknown>> {
    const script = `
    const fs = require("fs"), net = require("net"), { spawnSync } = require("child_process");
    const connect = (to) => new Promise((resolve, reject) => {
      net.connect(to).on("data", (text) => resolve(String(text))).on("error", reject);
    });
    const answers = {};
    (async () => {
      for (const [name, piece] of Object.entries(JSON.parse(process.argv[1]))) {
        try { answers[name] = await eval(piece); } catch (error) { answers[name] = error.code ?? String(error); }
      }
      console.log("ANSWERS" + JSON.stringify(answers));
    })();`;
    const ended = await sandbox.run(["node", "-e", script, JSON.stringify(pieces)], options);
    const at = ended.output.indexOf("ANSWERS");
    if (at < 0) throw new Error(`the attempts did not end: ${ended.output}`);
    return JSON.parse(ended.output.slice(at + 7)) as Record<string, unknown>;
  }

  test("cannot read a sibling's workspace or anything of the server", async () => {
    const sibling = sandbox.workspace();
    writeFileSync(join(sibling, "file"), SECRET);
    const folder = sandbox.workspace();
    await symlink(join(sandbox.dataDir, "secret"), join(folder, "link"));
    const read = (path: string): string => `fs.readFileSync(${JSON.stringify(path)}, "utf8")`;
    const found = await attempts(
      {
        sibling: read(join(sibling, "file")),
        secret: read(join(sandbox.dataDir, "secret")),
        link: read("link"),
        database: `fs.readdirSync(${JSON.stringify(join(sandbox.dataDir, "postgres"))})`,
        above: `fs.readdirSync("..").includes("workspaces")`,
        shadow: read("/etc/shadow"),
        home: `fs.readdirSync("/root")`,
        source: read(import.meta.filename),
        init: `${read("/proc/1/environ")}.includes(${JSON.stringify(SECRET)})`,
        own: `JSON.stringify(process.env).includes(${JSON.stringify(SECRET)})`,
        server: read(`/proc/${process.pid}/environ`),
        memory: read(`/proc/${process.pid}/mem`),
        kernel: read("/proc/kcore"),
        descriptors: `fs.readdirSync("/proc/self/fd").map((fd) => {
        try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; }
      }).filter((to) => /^\\//.test(to) && !/^\\/(dev|proc)|pipe-\\d+ \\(deleted\\)$/.test(to))`,
      },
      { folder },
    );
    expect(found).toMatchObject({
      sibling: "ENOENT",
      secret: "ENOENT",
      link: "ENOENT",
      database: "ENOENT",
      above: false,
      shadow: "ENOENT",
      home: "ENOENT",
      source: "ENOENT",
      init: false,
      own: false,
      server: "ENOENT",
      memory: "ENOENT",
      descriptors: [],
    });
    expect(found["kernel"]).toMatch(/^E/);
  });

  test("covers the server's folders inside a tool folder, too", async () => {
    const tools = join(sandbox.dataDir, "tools");
    const dataDir = join(tools, "data");
    mkdirSync(join(tools, "bin"), { recursive: true });
    mkdirSync(dataDir);
    for (const path of [sandbox.dataDir, tools]) chmodSync(path, 0o755);
    writeFileSync(join(tools, "bin/tool"), "#!/bin/sh\necho a tool\n", { mode: 0o755 });
    writeFileSync(join(dataDir, "secret"), SECRET, { mode: 0o644 });
    const other = await openTestSandbox({ dataDir, sandboxReadOnly: [tools], sandbox: setting });
    const ended = await other.run(["sh", "-c", `tool; ls -A ${dataDir}; cat ${dataDir}/secret`]);
    expect(ended.output).toContain("a tool\n");
    expect(ended.output).not.toContain(SECRET);
    expect(ended.output).toContain("No such file");
    await other.close();
    chmodSync(sandbox.dataDir, 0o700);
  });

  test("cannot signal the server or the sandbox's first process", async () => {
    const found = await attempts({
      server: `process.kill(${process.pid}, "SIGKILL")`,
      // In gVisor this ends the run itself.
      ...(mode === "bubblewrap" && { init: `process.kill(1, "SIGKILL")` }),
      processes: `fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name)).length`,
    });
    expect(found["server"]).toBe("ESRCH");
    expect(found["processes"]).toBeLessThan(5);
  });

  test("has no network without permission, not even the machine's loopback or abstract sockets", async () => {
    const pieces = {
      loopback: `connect({ host: "127.0.0.1", port: ${port} })`,
      abstract: `connect({ path: "\\0omoi-${process.pid}" })`,
      internet: `connect({ host: "1.1.1.1", port: 443 })`,
      metadata: `connect({ host: "169.254.169.254", port: 80 })`,
      interfaces: `Object.keys(require("os").networkInterfaces())`,
      own: `new Promise((resolve) => {
      const server = net.createServer((socket) => socket.end("mine")).listen(0, "127.0.0.1", () =>
        resolve(connect(server.address()).finally(() => server.close())));
    })`,
    };
    expect(await attempts(pieces)).toEqual({
      loopback: "ECONNREFUSED",
      abstract: "ECONNREFUSED",
      internet: mode === "gvisor" ? "EHOSTUNREACH" : "ENETUNREACH",
      metadata: mode === "gvisor" ? "EHOSTUNREACH" : "ENETUNREACH",
      interfaces: ["lo"],
      own: "mine",
    });
  });

  test("cannot write outside the workspace and the in-memory folders", async () => {
    const places = [
      "/",
      "/usr",
      "/usr/local/bin",
      "/etc",
      "/dev",
      "/proc",
      "/proc/sys/kernel",
      "/var",
      "/opt",
      "/home",
    ];
    const pieces = Object.fromEntries(
      places.map((place) => [place, `fs.writeFileSync(${JSON.stringify(`${place}/written`)}, "")`]),
    );
    for (const answer of Object.values(await attempts(pieces))) {
      expect(answer).toMatch(/^(EROFS|EACCES|EPERM|ENOENT)$/);
    }
    const settings = await attempts({
      hostname: `fs.writeFileSync("/proc/sys/kernel/hostname", "x")`,
      pattern: `fs.writeFileSync("/proc/sys/kernel/core_pattern", "x")`,
      sysrq: `fs.writeFileSync("/proc/sysrq-trigger", "b")`,
      passwd: `fs.appendFileSync("/etc/passwd", "x")`,
      remount: `spawnSync("mount", ["-o", "remount,rw", "/usr"]).status !== 0`,
      unmount: `spawnSync("umount", ["/workspace"]).status !== 0`,
      mount: `spawnSync("mount", ["-t", "tmpfs", "x", "/tmp"]).status !== 0`,
      namespace: `String(spawnSync("unshare", ["--user", "--map-root-user", "id"]).stdout)`,
    });
    expect(settings).toMatchObject({ remount: true, unmount: true, mount: true });
    // gVisor's are its own: its root is an unprivileged user on the machine.
    if (mode === "bubblewrap") expect(settings["namespace"]).toBe("");
    for (const name of ["hostname", "pattern", "sysrq", "passwd"])
      expect(settings[name]).toMatch(/^E/);
  });

  test("gains no privileges", async () => {
    const folder = sandbox.workspace();
    // Only the server's root could leave such a program there.
    copyFileSync("/usr/bin/id", join(folder, "id"));
    chmodSync(join(folder, "id"), 0o6755);
    const status = await sandbox.run(["cat", "/proc/self/status"], { folder });
    const sets = ["CapInh", "CapPrm", "CapEff"];
    if (mode === "bubblewrap") {
      sets.push("CapBnd", "CapAmb");
      expect(status.output).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(status.output).toMatch(/^Seccomp:\s+2$/m);
    }
    for (const set of sets) expect(status.output).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
    const { output } = await sandbox.run(["./id", "-u"], { folder });
    expect(output.trim()).toBe("60861");
    if (isRoot) expect(sandbox.report.uid).toBe(60_861);
    const found = await attempts({
      su: `spawnSync("su", ["-c", "id"], { input: "\\n" }).status`,
      own: `fs.chmodSync("/usr/bin/id", 0o4755)`,
      chown: `(fs.writeFileSync("mine", ""), fs.chownSync("mine", 0, 0))`,
    });
    expect(found["su"]).not.toBe(0);
    expect(found["own"]).toMatch(/^E/);
    expect(found["chown"]).toMatch(/^(EPERM|EINVAL)$/);
  });

  test("processes that left their parent end with the command", async () => {
    const script = `
    (setsid sleep 1000 >/dev/null 2>&1 &)
    (trap '' TERM HUP; sleep 1000) &
    for i in 1 2 3 4 5; do (exec sleep 0) & done
    echo up; sleep 1; exit 3`;
    const started = await sandbox.start(["sh", "-c", script]);
    await expect.poll(() => started.output()).toContain("up");
    const members = descendantsOf(started.pid);
    expect(members.length).toBeGreaterThan(2);
    expect(await started.done).toMatchObject({ exitCode: 3 });
    expect(members.filter(isAlive)).toEqual([]);
  });

  test("reaps zombies while the command runs", async () => {
    const script = `
    for i in $(seq 100); do (sh -c 'sleep 0 & exec true' &); done
    for i in $(seq 100); do grep -qs 'State:.Z' /proc/[0-9]*/status || exit 0; sleep 0.1; done; exit 1`;
    const ended = await sandbox.run(["sh", "-c", script]);
    expect(ended.exitCode).toBe(0);
  });

  test("a fork bomb stays within its limit and is killed completely", async () => {
    const bomb = "while (1) { fork; select(undef, undef, undef, 0.01) }";
    const started = await sandbox.start(["perl", "-e", bomb], { limits: { processes: 50 } });
    await expect.poll(() => descendantsOf(started.pid).length).toBeGreaterThan(20);
    // gVisor has its own processes for each process of the command.
    const most = mode === "gvisor" ? 3 * 50 + 128 : 50 + 4;
    expect(descendantsOf(started.pid).length).toBeLessThanOrEqual(most);
    // Another run has its own share.
    expect(await sandbox.run(["sh", "-c", "true & wait"])).toMatchObject({ exitCode: 0 });
    const members = descendantsOf(started.pid);
    started.stop(0);
    expect(await started.done).toMatchObject({ reason: "stopped" });
    expect(members.filter(isAlive)).toEqual([]);
  });

  test("a command that fills the disk is killed", async () => {
    const folder = sandbox.workspace();
    const many =
      "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > file-$i || exit 9; sleep 0.005; done";
    const limits = { diskBytes: 20 << 20 };
    const ended = await sandbox.run(["sh", "-c", many], { folder, limits });
    expect(ended).toMatchObject({ reason: "disk", signal: "SIGKILL" });
    // It is also over the limit at the start of its next run.
    expect(await sandbox.run(["sleep", "60"], { folder, limits })).toMatchObject({
      reason: "disk",
    });
    const stream = await sandbox.run(["head", "-c", "30000000", "/dev/zero"], { limits });
    expect(stream.reason).toBe("exited");
    const big = await sandbox.run(["dd", "if=/dev/zero", "of=big", "bs=1M", "count=30"], {
      limits,
    });
    expect(big.exitCode).not.toBe(0);
  });

  test("in-memory files count as memory and have their own limits", async () => {
    const fill =
      "for i in 1 2 3 4 5 6 7 8; do head -c 20000000 /dev/zero > /tmp/$i || exit 9; done";
    const ended = await sandbox.run(["sh", "-c", fill], { limits: { memoryBytes: 128 << 20 } });
    expect(ended.exitCode).toBe(9);
    expect(ended.output).toContain("No space left on device");
    const both = "head -c 60000000 /dev/zero > /tmp/file; node -e 'Buffer.alloc(2e8, 1)'";
    // Repeated: which process the kernel kills varies.
    for (let round = 0; round < 6; round += 1) {
      const over = await sandbox.run(["sh", "-c", both], { limits: { memoryBytes: 128 << 20 } });
      expect(over).toMatchObject({ reason: "memory" });
    }
  });

  test("files left in the workspace belong to the agent, and git works there", async () => {
    const folder = sandbox.workspace();
    const script =
      "git init -q && echo a > a && git add a && git -c user.name=a -c user.email=a@b commit -qm a && git log --oneline | wc -l";
    const ended = await sandbox.run(["sh", "-c", script], { folder });
    expect(ended).toMatchObject({ exitCode: 0 });
    expect(ended.output.trim()).toBe("1");
    expect(await readFile(join(folder, "a"), "utf8")).toBe("a\n");
    expect(existsSync("/workspace")).toBe(false);
  });

  if (mode === "gvisor") {
    test("system calls never reach the host kernel, and gVisor's own are filtered", async () => {
      const started = await sandbox.start(["sh", "-c", "cat /proc/version; sleep 1000"]);
      await expect.poll(() => started.output()).toContain("Linux");
      expect(started.output()).not.toContain(await readFile("/proc/version", "utf8"));
      const statuses = await Promise.all(
        descendantsOf(started.pid).map(async ({ pid }) => {
          const text = await readFile(`/proc/${pid}/status`, "utf8");
          const field = (name: string): string =>
            new RegExp(`^${name}:\\s+(\\S+)$`, "m").exec(text)?.[1] ?? "";
          return {
            name: field("Name"),
            seccomp: field("Seccomp"),
            noNewPrivs: field("NoNewPrivs"),
          };
        }),
      );
      started.stop(0);
      await started.done;
      // `runsc run` only waits for the others.
      const confined = statuses.filter(({ name }) => name !== "runsc");
      expect(confined.length).toBeGreaterThan(2);
      for (const { seccomp, noNewPrivs } of confined)
        expect([seccomp, noNewPrivs]).toEqual(["2", "1"]);
    });

    test("root of a user namespace inside gVisor gains nothing", async () => {
      const folder = sandbox.workspace();
      const script = `unshare --user --map-root-user --mount sh -c '
      id -u; mount -o remount,rw /; mount -o remount,bind,rw /usr; umount /workspace; umount /state
      for file in /usr/x /etc/x /x /proc/sys/kernel/hostname; do (echo x > $file) 2>&1; done
      ls /state /bundle 2>&1; cat /etc/shadow 2>&1; echo x > /workspace/x'`;
      const { output } = await sandbox.run(["sh", "-c", script], { folder });
      expect(output).toMatch(/^0$/m);
      for (const path of ["/usr/x", "/etc/x", "/x"]) {
        expect(output).toMatch(
          new RegExp(`cannot create ${path}: (Read-only|Permission|Operation)`),
        );
        expect(existsSync(path)).toBe(false);
      }
      expect(output).toMatch(/'\/state': No such file/);
      expect(output).toMatch(/\/etc\/shadow: No such file/);
    });
  }
});
