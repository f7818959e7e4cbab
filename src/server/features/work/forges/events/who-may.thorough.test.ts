// Thorough: deliveries that are repeated and reordered, and answers over several events.
import { describe, expect, test } from "vitest";
import { owner, world, task, decided, prepareAuthority } from "#test/support/forges/authority.js";

describe("an event acts only", () => {
  prepareAuthority();

  test("for linked people: another one is answered once on each issue how to link", async () => {
    const { shop, automate } = world;
    shop.permissions.set("dev-2", "write");
    await automate("issue.labeled", task);
    const issue = shop.openIssue("Prices");
    shop.changeIssue(issue, { label: "omoi" }, "dev-2");
    await decided(2);
    shop.changeIssue(issue, { label: "bug" }, "dev-2");
    const all = await decided(3);
    const reasons = all
      .filter(({ decision }) => decision === "ignored")
      .map(({ reason }) => reason);
    expect(reasons).toEqual([
      "dev-2 is not linked to a person here.",
      "dev-2 is not linked to a person here. Answered with how to link an account.",
    ]);
    expect(issue.comments).toHaveLength(1);
    expect(issue.comments[0]?.body).toContain("not linked to a person");
    expect(await world.tasks()).toEqual([]);
    // A label that nothing listens to is no reason to answer.
    const other = shop.openIssue("Other");
    await owner.api.automations
      .list({ params: { project_id: world.project.id } })
      .then(({ data }) =>
        Promise.all(
          data.map(({ id }) =>
            owner.api.automations.delete({
              params: { project_id: world.project.id, automation_id: id },
            }),
          ),
        ),
      );
    shop.changeIssue(other, { label: "omoi" }, "dev-2");
    await decided(5);
    expect(other.comments).toEqual([]);
  });

  test("once, whatever the order and however often it is delivered", async () => {
    const { shop, automate, double } = world;
    await automate("issue.labeled", task);
    await automate("issue.commented", { prompt: "say {{event.comment.body}}" });
    double.outbox.isHeld = true;
    const issue = shop.openIssue("Prices");
    shop.changeIssue(issue, { label: "omoi" });
    shop.comment(issue, "lead", "@omoi and round them");
    await double.outbox.release({ isReversed: true, copies: 3 });
    const all = (await decided(3)).filter(({ login }) => login === "lead");
    expect(all).toHaveLength(3);
    const tasks = await world.tasks();
    expect(tasks).toHaveLength(1);
    expect(all.filter(({ decision }) => decision === "started")).toHaveLength(1);
    const labeled = all.find(({ event }) => event === "issues.labeled");
    await owner.api.forgeDeliveries.replay({
      params: {
        org_id: world.orgId,
        forge_id: world.forge.id,
        delivery_id: labeled?.id ?? "",
      },
    });
    await decided(3);
    expect(await world.tasks()).toHaveLength(1);
    await expect
      .poll(() => issue.comments.filter(({ login }) => login === "omoi-bot").length)
      .toBe(1);
  });
});
