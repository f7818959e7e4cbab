import { writeFileSync } from "node:fs";

/** Errors of a chain of causes that a line names. */
const MAX_CAUSES = 4;

/**
 * A reporter of vitest. It writes to the file OMOI_TEST_REPORT, as JSON: for each test file its path, the numbers of
 * its passed and skipped tests and one line for each failure; and one line for each error outside of the tests, with the
 * path of the file that ran then, or null.
 */
export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map((module) => {
      const file = { path: module.moduleId, passed: 0, skipped: 0, failures: [] };
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        if (state === "failed") file.failures.push(`${test.fullName}: ${lineOf(errors[0])}`);
        else file[state === "passed" ? "passed" : "skipped"] += 1;
      }
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors())
          file.failures.push(`${suite.fullName}: ${lineOf(error)}`);
      }
      for (const error of module.errors()) file.failures.push(lineOf(error));
      return file;
    });
    const errors = unhandledErrors.map((error) => ({
      path: error.VITEST_TEST_PATH ?? null,
      line: lineOf(error),
    }));
    writeFileSync(process.env.OMOI_TEST_REPORT, JSON.stringify({ files, errors }));
  }
}

/** Returns the first line of an error and of its causes: "TypeError: fetch failed: Error: connect ECONNREFUSED". */
export function lineOf(error) {
  const lines = [];
  for (let at = error; lines.length < MAX_CAUSES && isError(at); at = at.cause) {
    const text = at.message || at.code || "no message";
    lines.push(`${at.name ?? "Error"}: ${text}`.split("\n", 1)[0]);
  }
  return lines.length === 0 ? "Error: no message" : lines.join(": ");
}

const isError = (value) => typeof value === "object" && value !== null;
