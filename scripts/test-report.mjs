import { writeFileSync } from "node:fs";

/**
 * A reporter of vitest. It writes to the file OMOI_TEST_REPORT, as JSON: for each test file its path, the numbers of
 * its passed and skipped tests and one line for each failure; one line for each test that passed when it was
 * repeated; and one line for each error outside of the tests, with the path of the file that ran then, or null.
 */
export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const repeated = [];
    const files = modules.map((module) => {
      const file = { path: module.moduleId, passed: 0, skipped: 0, failures: [] };
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        if (state === "failed") file.failures.push(`${test.fullName}: ${lineOf(errors[0])}`);
        else file[state === "passed" ? "passed" : "skipped"] += 1;
        if (test.diagnostic()?.flaky) {
          repeated.push([module.moduleId, `${test.fullName}: ${lineOf(errors[0])}`]);
        }
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
    writeFileSync(process.env.OMOI_TEST_REPORT, JSON.stringify({ files, repeated, errors }));
  }
}

/** The first line of an error. */
function lineOf(error) {
  return `${error?.name ?? "Error"}: ${error?.message ?? "no message"}`.split("\n", 1)[0];
}
