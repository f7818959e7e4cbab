// Thorough: the same tests by gVisor, a second kind of sandbox.
import { testCommands } from "#test/support/sandbox/command-tests.js";
import { describeGvisor } from "#test/support/sandbox/test-sandbox.js";

describeGvisor("a command", testCommands);
