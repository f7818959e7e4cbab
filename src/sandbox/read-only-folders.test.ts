/** Folders of the server that a command may read: at their paths inside, and never written. */
import { testReadOnlyFolders } from "#test/support/sandbox/read-only-tests.js";
import { describeBubblewrap } from "#test/support/sandbox/test-sandbox.js";

describeBubblewrap("read-only folders", testReadOnlyFolders);
