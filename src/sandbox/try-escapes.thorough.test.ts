// Thorough: the same tests by gVisor, a second kind of sandbox.
import { testEscapes } from "#test/support/sandbox/escape-tests.js";
import { describeGvisor } from "#test/support/sandbox/test-sandbox.js";

describeGvisor("the list of escapes", testEscapes);
