// Thorough: the same tests by gVisor, a second kind of sandbox.
import { testReadOnlyFolders } from "#test/support/sandbox/read-only-tests.js";
import { describeGvisor } from "#test/support/sandbox/test-sandbox.js";

describeGvisor("read-only folders", testReadOnlyFolders);
