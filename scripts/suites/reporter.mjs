import { appendFileSync } from "node:fs";

/** Errors of a chain of causes that a line names. */
const MAX_CAUSES = 4;

/**
 * A reporter of vitest. It appends lines of JSON to the file SUITE_REPORT: the paths of all test files at the start;
 * for each ended file its path, the numbers of its passed and skipped tests, a line for each failure, and the
 * milliseconds of each test; and at the end the errors outside of the tests, each with the path of the file that ran then,
 * or null.
 */
export default class Reporter {
  onTestRunStart(specifications) {
    write({ planned: specifications.map(({ moduleId }) => moduleId) });
  }

  onTestModuleEnd(module) {
    const file = { path: module.moduleId, passed: 0, skipped: 0, failures: [], tests: [] };
    for (const test of module.children.allTests()) {
      const { state, errors = [] } = test.result();
      if (state === "failed") file.failures.push(`${test.fullName}: ${lineOf(errors[0])}`);
      else if (state === "pending") file.failures.push(`${test.fullName}: Error: did not end`);
      else file[state === "passed" ? "passed" : "skipped"] += 1;
      file.tests.push({ name: test.fullName, ms: Math.round(test.diagnostic()?.duration ?? 0) });
    }
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) file.failures.push(`${suite.fullName}: ${lineOf(error)}`);
    }
    for (const error of module.errors()) file.failures.push(lineOf(error));
    write({ file });
  }

  onTestRunEnd(_modules, unhandledErrors) {
    const errors = unhandledErrors.map((error) => ({
      path: error.VITEST_TEST_PATH ?? null,
      line: lineOf(error),
    }));
    write({ errors });
  }
}

function write(record) {
  appendFileSync(process.env.SUITE_REPORT, `${JSON.stringify(record)}\n`);
}

/** Returns the first line of an error and of its causes: "TypeError: fetch failed: Error: connect ECONNREFUSED". */
function lineOf(error) {
  const lines = [];
  for (let at = error; lines.length < MAX_CAUSES && isError(at); at = at.cause) {
    const text = at.message || at.code || "no message";
    lines.push(`${at.name ?? "Error"}: ${text}`.split("\n", 1)[0]);
  }
  return lines.length === 0 ? "Error: no message" : lines.join(": ");
}

const isError = (value) => typeof value === "object" && value !== null;
