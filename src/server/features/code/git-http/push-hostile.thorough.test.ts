import { request as httpRequest } from "node:http";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { MAX_REFS } from "#git/store/refs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, createGitKey, withKey } from "#test/support/git/clone.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository, runGit, repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { openObjectBuilder, pushBody, zeroOid } from "#test/support/git/packs.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

describe("a push is rejected", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let key: string;
  let main: string;
  const forge = openObjectBuilder();
  beforeAll(async () => {
    app = await startTestApp({ OMOI_MAX_PUSH_MIB: "2" });
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    key = await createGitKey(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    main = await gitInRepository(app, project, "rev-parse", "main");
  });
  afterAll(async () => {
    await app.close();
    forge.dispose();
  });

  const post = async (body: Buffer | string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${project.clone_url}/git-receive-pack`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-git-receive-pack-request",
        ...headers,
      },
      body: Buffer.from(body),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const state = async () => [
    await gitInRepository(app, project, "for-each-ref"),
    await gitInRepository(app, project, "cat-file", "--batch-all-objects", "--batch-check"),
    (await queryAsOwner(app, "select commit_sha from received_commits order by 1")).length,
  ];
  const atRest = async () => {
    const incoming = join(repoPathOf(app, project), "incoming");
    await expect.poll(() => readdir(incoming).catch(() => [])).toEqual([]);
    expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
  };
  /** Pushes a new branch with a commit of that tree and expects nothing to be accepted. */
  const refused = async (oids: string[], tip: string, reason: string | RegExp) => {
    const before = await state();
    const { status, text } = await post(
      pushBody([[zeroOid, tip, "refs/heads/forged"]], forge.pack(oids)),
    );
    expect([status, text]).toEqual([200, expect.stringMatching(reason)]);
    expect(text).toContain("ng refs/heads/forged the objects were rejected");
    expect(await state()).toEqual(before);
    await atRest();
  };

  test("for an object that fsck rejects, which is named", async () => {
    const blob = forge.object("blob", "x\n");
    const inner = forge.tree([["100644", "config", blob]]);
    for (const name of [".git", ".GIT", "git~1", "..", "."]) {
      const tree = forge.tree([["40000", name, inner]]);
      const commit = forge.commit(tree);
      await refused(
        [blob, inner, tree, commit],
        commit,
        new RegExp(`rejects the object ${tree}: has`),
      );
    }
    const slash = forge.tree([["100644", "a/b", blob]]);
    const ofSlash = forge.commit(slash);
    await refused([blob, slash, ofSlash], ofSlash, "fullPathname");
    const modules = forge.object("blob", '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n');
    const link = forge.tree([["100644", ".gitmodules", modules]]);
    const ofLink = forge.commit(link);
    await refused([modules, link, ofLink], ofLink, "gitmodulesUrl");
    const empty = forge.tree([]);
    const nobody = forge.commit(empty, [], "no address at all");
    await refused([empty, nobody], nobody, "missingEmail");
  });

  test("when it lacks objects it refers to", async () => {
    const blob = forge.object("blob", "not sent\n");
    const tree = forge.tree([["100644", "a", blob]]);
    const commit = forge.commit(tree);
    await refused([tree, commit], commit, "pack is incomplete");
    await refused([commit], commit, "pack is incomplete");
    const orphan = forge.commit(forge.tree([]), ["1".repeat(40)]);
    await refused([orphan, forge.tree([])], orphan, "pack is incomplete");
    // A tip that was not sent.
    const before = await state();
    const { text } = await post(
      pushBody([[zeroOid, "2".repeat(40), "refs/heads/forged"]], forge.pack([blob])),
    );
    expect(text).toContain("references objects that it does not contain");
    expect(await state()).toEqual(before);
  });

  test("when the repository has the maximum number of branches and tags", async () => {
    const many = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    const tip = await gitInRepository(app, many, "rev-parse", "main");
    const branches = (await gitInRepository(app, many, "for-each-ref", "refs/heads")).split(
      "\n",
    ).length;
    const tags = Array.from({ length: MAX_REFS - branches - 1 }, (_one, index) => `t${index}`);
    const lines = tags.toSorted().map((tag) => `${tip} refs/tags/${tag}\n`);
    await writeFile(
      join(repoPathOf(app, many), "packed-refs"),
      ["# pack-refs with: peeled fully-peeled sorted \n", ...lines].join(""),
    );
    const push = async (ref: string) => {
      const body = pushBody([[zeroOid, tip, ref]], forge.pack([]));
      const response = await fetch(`${many.clone_url}/git-receive-pack`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-receive-pack-request",
        },
        body: Buffer.from(body),
      });
      return response.text();
    };
    expect(await push("refs/heads/last")).toContain("ok refs/heads/last");
    expect(await push("refs/heads/another")).toContain(`${MAX_REFS} branches`);
  });

  test("when its pack is damaged, truncated or missing", async () => {
    const blob = forge.object("blob", "x".repeat(5000));
    const tree = forge.tree([["100644", "a", blob]]);
    const commit = forge.commit(tree);
    const pack = forge.pack([blob, tree, commit]);
    const flipped = Buffer.from(pack);
    flipped[20] = (flipped[20] as number) ^ 0xff;
    const huge = Buffer.from(pack);
    huge.writeUInt32BE(0xffff_ffff, 8);
    const before = await state();
    for (const bad of [
      Buffer.alloc(0),
      pack.subarray(0, 30),
      pack.subarray(0, -1),
      flipped,
      huge,
      Buffer.from("no pack at all"),
    ]) {
      const { status, text } = await post(pushBody([[zeroOid, commit, "refs/heads/forged"]], bad));
      expect([status, text]).toEqual([200, expect.not.stringContaining("unpack ok")]);
      expect(text).toContain("ng refs/heads/forged");
      expect(text).not.toContain("the server failed");
    }
    expect(await state()).toEqual(before);
    await atRest();
    expect((await post(pushBody([[zeroOid, commit, "refs/heads/whole"]], pack))).text).toContain(
      "ok refs/heads/whole",
    );
  });

  test("when it or one of its files is too large", async () => {
    const noise = forge.object("blob", Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))));
    const blobs = Array.from({ length: 50 }, () =>
      forge.object("blob", Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))),
    );
    const tree = forge.tree(
      [noise, ...blobs].map((oid, n) => ["100644", `f${String(n).padStart(2, "0")}`, oid] as const),
    );
    const commit = forge.commit(tree);
    await refused([noise, ...blobs, tree, commit], commit, "larger than 2 MiB.*OMOI_MAX_PUSH_MIB");
    const big = forge.object("blob", Buffer.alloc(100 * 1024 * 1024 + 1));
    const inner = forge.tree([["100644", "big.bin", big]]);
    const outer = forge.tree([["40000", "data", inner]]);
    const ofBig = forge.commit(outer);
    await refused([big, inner, outer, ofBig], ofBig, '"data/big.bin" is larger than 100 MiB');
  });

  test("for a few objects that expand to an uncheckoutable tree", async () => {
    const blob = forge.object("blob", "bomb\n");
    const ten = (mode: string, oid: string): string =>
      forge.tree(Array.from({ length: 10 }, (_none, at) => [mode, `n${at}`, oid] as const));
    const oids = [blob, ten("100644", blob)];
    for (let level = 0; level < 9; level += 1) oids.push(ten("40000", oids.at(-1) as string));
    const bomb = forge.commit(oids.at(-1) as string);
    await refused([...oids, bomb], bomb, /contains more than \d+ (?:files and )?folders/);
    // Also below a harmless commit.
    const empty = forge.tree([]);
    const tip = forge.commit(empty, [bomb]);
    await refused([...oids, empty, bomb, tip], tip, "split the push into smaller commits");

    let deep = forge.tree([["100644", "file", blob]]);
    const chain = [blob, deep];
    for (let level = 1; level < 129; level += 1) {
      deep = forge.tree([["40000", "d", deep]]);
      chain.push(deep);
    }
    const ofDeep = forge.commit(deep);
    await refused([...chain, ofDeep], ofDeep, "deeper than 128 levels");
  });

  test("when it claims too many objects", async () => {
    const blob = forge.object("blob", "claimed\n");
    const pack = forge.pack([blob]);
    pack.writeUInt32BE(1_000_001, 8);
    const before = await state();
    const { text } = await post(pushBody([[zeroOid, main, "refs/heads/many"]], pack));
    expect(text).toContain("more than 1000000 objects");
    expect(await state()).toEqual(before);
    await atRest();
  });

  test("with 400 when it is not a push", async () => {
    const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, "0")}${text}`;
    for (const body of [
      "nonsense",
      "zzzz",
      "0003",
      "ffff",
      "0010short",
      line("no command"),
      line(`${zeroOid} ${main}`),
      line(`${zeroOid} ${main} `),
      line(`${zeroOid} ${main.toUpperCase()} refs/heads/x`),
      line(`${zeroOid} ${main} refs/heads/x`),
      Array.from({ length: 5000 }, () => line(`${zeroOid} ${main} refs/heads/x`)).join(""),
    ]) {
      const answer = await post(body);
      expect([body.slice(0, 60), answer.status]).toEqual([body.slice(0, 60), 400]);
      expect(problemOf(answer).code).toBe("bad_request");
    }
    const zipped = await post("no gzip", { "content-encoding": "gzip" });
    expect(zipped.status).toBe(400);
    expect((await post("{}", { "content-type": "application/json" })).status).toBe(415);
    await atRest();
  });

  test("for names that only resemble refs", async () => {
    const refs = [
      "HEAD",
      "refs/heads/",
      "refs/heads/a..b",
      "refs/heads/a.lock",
      "refs/heads/@",
      "refs/heads/HEAD",
      "refs/heads/a b",
      "refs/heads/../../config",
      "refs/heads/a\nb",
      "refs/heads/é",
      `refs/heads/${"x".repeat(201)}`,
      "refs/omoi/x",
      "refs/notes/commits",
      "refs/replace/x",
    ];
    const before = await state();
    const body = pushBody(
      refs.map((ref) => [zeroOid, main, Buffer.from(ref).toString("latin1")] as const),
      forge.pack([]),
    );
    const { status, text } = await post(Buffer.from(body));
    expect([status, text.match(/ng /g)?.length, text.match(/\bok ref/g)]).toEqual([
      200,
      refs.length,
      null,
    ]);
    expect(await state()).toEqual(before);
    const twice = await post(
      pushBody(
        [
          [zeroOid, main, "refs/heads/twice"],
          [zeroOid, main, "refs/heads/twice"],
        ],
        forge.pack([]),
      ),
    );
    expect(twice.text).toContain("named twice");
  });

  test("when its client disconnects, and leaves nothing behind", async () => {
    const blob = forge.object("blob", "never arrives\n");
    const tree = forge.tree([["100644", "a", blob]]);
    const commit = forge.commit(tree);
    const body = pushBody([[zeroOid, commit, "refs/heads/gone"]], forge.pack([blob, tree, commit]));
    const before = await state();
    for (const share of [0.3, 0.7, 0.95]) {
      const incoming = join(repoPathOf(app, project), "incoming");
      const client = httpRequest(`${project.clone_url}/git-receive-pack`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-receive-pack-request",
          "content-length": body.length,
        },
      });
      client.on("error", () => undefined);
      client.write(body.subarray(0, Math.floor(body.length * share)));
      if (share > 0.9) {
        await expect.poll(() => readdir(incoming)).toHaveLength(1);
      }
      client.destroy();
      await atRest();
    }
    expect(await state()).toEqual(before);
  });

  test("unless it is valid: compressed, chunked, after a probe, without side bands", async () => {
    const blob = forge.object("blob", "zipped\n");
    const tree = forge.tree([["100644", "a", blob]]);
    const commit = forge.commit(tree);
    const pack = forge.pack([blob, tree, commit]);
    const body = pushBody([[zeroOid, commit, "refs/heads/zipped"]], pack);
    const zipped = await post(gzipSync(body), { "content-encoding": "gzip" });
    expect([zipped.status, zipped.text]).toEqual([
      200,
      "000eunpack ok\n0019ok refs/heads/zipped\n0000",
    ]);
    expect(zipped.headers.get("content-type")).toBe("application/x-git-receive-pack-result");
    expect((await post("0000")).text).toBe("");
    const silent = await post(pushBody([[zeroOid, commit, "refs/heads/silent"]], pack, "quiet"));
    expect([silent.status, silent.text]).toEqual([200, ""]);
    expect(await gitInRepository(app, project, "rev-parse", "silent")).toBe(commit);
    // curl asks before it sends a large body (RFC 9110, section 10.1.1).
    const answer = await new Promise<string>((resolve, reject) => {
      const client = httpRequest(`${project.clone_url}/git-receive-pack`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-receive-pack-request",
          expect: "100-continue",
        },
      });
      client.on("error", reject).on("continue", () => {
        client.end(pushBody([[zeroOid, commit, "refs/heads/asked"]], pack));
      });
      client.on("response", (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text));
      });
      client.flushHeaders();
    });
    expect(answer).toContain("ok refs/heads/asked");
    await atRest();
  });

  test("without permission: 401, 403, 404, 409, and git shows the reason", async () => {
    const push = async (url: string) => {
      const clones = await openCloneFactory();
      const clone = await clones.clone(project.clone_url, key);
      await clone.commit({ "b.txt": "b\n" });
      const { code, stderr } = await runGit(["push", url, "main"], { cwd: clone.folder });
      await clones.dispose();
      expect(code).not.toBe(0);
      return stderr;
    };
    const advertised = (as: string | null) =>
      send({ url: "" }, "GET", `${project.clone_url}/info/refs?service=git-receive-pack`, {
        headers: as === null ? {} : { authorization: `Bearer ${as}` },
      });
    const before = await state();
    expect((await advertised(null)).status).toBe(401);
    expect((await post("0000", { authorization: "" })).status).toBe(401);

    const viewer = await app.person("viewer");
    const member = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: org.id }, body: member });
    const narrow = await createGitKey(owner, [`org:${org.slug}:project:git:read`]);
    for (const [as, why] of [
      [await createGitKey(viewer), 'role "viewer" does not have project:git:write'],
      [narrow, "scopes do not include project:git:write"],
    ] as const) {
      const answer = await advertised(as);
      expect([answer.status, problemOf(answer).missing_permissions]).toEqual([
        403,
        ["project:git:write"],
      ]);
      expect(await push(withKey(project.clone_url, as))).toContain(why);
    }
    const just = await createGitKey(owner, [`org:${org.slug}:project:git:write`]);
    expect((await advertised(just)).status).toBe(200);

    const stranger = await app.person("stranger");
    await makeOrganization(stranger);
    const foreign = await advertised(await createGitKey(stranger));
    expect([foreign.status, problemOf(foreign).code]).toEqual([404, "not_found"]);

    await queryAsOwner(app, "update projects set status = 'importing' where id = $1", [project.id]);
    expect(problemOf(await advertised(key)).code).toBe("project_not_ready");
    await queryAsOwner(app, "update projects set status = 'ready' where id = $1", [project.id]);

    await owner.api.organizations.archive({ params: { org_id: org.id } });
    const archived = await advertised(key);
    expect([archived.status, problemOf(archived).code]).toEqual([409, "organization_archived"]);
    expect((await post("0000")).status).toBe(409);
    expect(await push(withKey(project.clone_url, key))).toContain("The organization is archived");
    await owner.api.organizations.restore({ params: { org_id: org.id } });
    expect(await state()).toEqual(before);
  });
});
