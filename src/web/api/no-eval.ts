import { z } from "zod";

// Zod compiles checks with `new Function` when a schema is created, which the content security policy
// blocks and reports. Import this module before any schema.
z.config({ jitless: true });
