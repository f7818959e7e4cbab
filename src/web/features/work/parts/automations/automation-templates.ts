import type { NewAutomation } from "#shared/api/work/automations.js";

/** A description to begin an automation from. */
export interface AutomationTemplate {
  key: string;
  name: string;
  description: string;
  triggers: NewAutomation["triggers"];
  filter?: NonNullable<NewAutomation["filter"]>;
  action: NewAutomation["action"];
  limits?: NonNullable<NewAutomation["limits"]>;
}

/** @param timezone of schedules */
export const automationTemplates = (timezone: string): readonly AutomationTemplate[] => [
  {
    key: "triage-issues",
    name: "Triage new issues",
    description: "Reads each new issue, finds the code it is about, and says what to do next.",
    triggers: [{ type: "forge", events: ["issue.opened"] }],
    action: {
      type: "create_task",
      title: "Triage #{{event.issue.number}}: {{event.issue.title}}",
      body: "Triage issue #{{event.issue.number}} of {{project.name}} ({{event.issue.url}}) by {{event.issue.author}}.\n\nTitle: {{event.issue.title}}\n\n{{event.issue.body}}\n\nFind the code that it is about and try to reproduce it. Do not change anything. End with a short answer: what happens, where in the code, how hard the fix is, and which labels fit.",
      labels: ["triage"],
    },
    limits: { per_day: 30 },
  },
  {
    key: "fix-red-check",
    name: "Fix a red check",
    description: "Gives the end of the failed log to the agent of the pull request.",
    triggers: [
      { type: "forge", events: ["pull_request.check_failed"] },
      { type: "event", types: ["check.failed"] },
    ],
    action: {
      type: "prompt_task",
      text: "The check {{event.check.name}} of your change fails ({{event.check.url}}). Find the cause and fix it; do not weaken the check. The end of its log:\n\n{{event.check.log}}",
    },
  },
  {
    key: "answer-review",
    name: "Answer a review",
    description: "Gives a review that asks for changes to the agent of the pull request.",
    triggers: [{ type: "forge", events: ["pull_request.review_submitted"] }],
    filter: [{ path: "event.review.verdict", is: "request_changes" }],
    action: {
      type: "prompt_task",
      text: "{{event.review.author}} asks for changes of your pull request ({{event.review.url}}). Make them; if you disagree with one, keep the code and explain why.\n\n{{event.review.body}}\n\nThen answer each open thread of the task: with Omoi's tools list_review_threads and reply_to_thread, or by omoi review threads and omoi review reply. Without either, answer here and name the place.",
    },
  },
  {
    key: "weekly-dependencies",
    name: "Weekly dependency update",
    description: "Updates the dependencies on Monday morning, and proves it by the tests.",
    triggers: [{ type: "schedule", cron: "0 7 * * 1", timezone }],
    action: {
      type: "create_task",
      title: "Update the dependencies",
      body: "Update the dependencies of {{project.name}} to their newest compatible versions. Update the lock file with the package manager. Run the tests, and mend what the updates break. Leave out an update that needs a redesign, and say so. Summarize what changed, with links to the changelogs of major versions.",
      labels: ["dependencies"],
    },
    limits: { per_day: 1, cost_usd_per_day: 5 },
  },
  {
    key: "nightly-flaky-tests",
    name: "Nightly flaky-test hunt",
    description: "Repeats the tests at night, and mends one that does not always pass.",
    triggers: [{ type: "schedule", cron: "0 2 * * 1-5", timezone }],
    action: {
      type: "create_task",
      title: "Hunt a flaky test",
      body: "Run the test suite of {{project.name}} ten times. If a test does not always have the same result, find the cause and fix it: the test or the code, whichever is wrong. Never skip a test or retry it. Prove the fix by 50 runs of that test. If all is stable, change nothing and say so.",
      labels: ["flaky"],
    },
    limits: { per_day: 1, cost_usd_per_day: 5 },
  },
  {
    key: "resolve-conflicts",
    name: "Resolve conflicts ahead of the merge",
    description: "Lets the agent of a task bring its branch up to date as soon as it conflicts.",
    triggers: [{ type: "event", types: ["merge.conflicted"] }],
    action: {
      type: "prompt_task",
      text: 'Your change conflicts with other work on {{event.branch}}: {{event.reason}} Your repository may have an older {{event.branch}}. Get the newest one, and merge it into your branch:\n\ngit -c http.extraHeader="Authorization: Bearer $OMOI_TOKEN" fetch "$OMOI_URL/git/{{project.path}}.git" {{event.branch}}\ngit merge FETCH_HEAD\n\nResolve the conflicts so that both changes keep their meaning, run the tests, and commit the merge.',
    },
  },
  {
    key: "release-notes",
    name: "Write the release notes",
    description: "Writes on Friday what has changed since the last release.",
    triggers: [{ type: "schedule", cron: "0 15 * * 5", timezone }],
    action: {
      type: "create_task",
      title: "Write the release notes",
      body: "Write the release notes of {{project.name}}: everything that users notice since the newest tag, or since the last entry of the changelog if there is no tag. Group it as added, changed and fixed, one sentence each, with the numbers of pull requests. Put it on top of CHANGELOG.md and change nothing else.",
      labels: ["release"],
    },
    limits: { per_day: 1, cost_usd_per_day: 3 },
  },
  {
    key: "review-pull-requests",
    name: "Review every pull request",
    description: "Reads each new pull request, and says what a reviewer should look at.",
    triggers: [{ type: "forge", events: ["pull_request.opened"] }],
    action: {
      type: "create_task",
      title: "Review #{{event.pull_request.number}}: {{event.pull_request.title}}",
      body: "Review pull request #{{event.pull_request.number}} of {{project.name}} ({{event.pull_request.url}}) by {{event.pull_request.author}}, from {{event.pull_request.branch}} into {{event.pull_request.base}}.\n\nTitle: {{event.pull_request.title}}\n\n{{event.pull_request.body}}\n\nIts changes:\n\n{{event.pull_request.diff}}\n\nRead them beside the code around them; the repository here is at the target branch, without them. Do not change anything. List defects first, each with file, line and a way to show it; then questions. Say clearly if you find nothing.",
      labels: ["review"],
    },
    limits: { per_day: 30 },
  },
];
