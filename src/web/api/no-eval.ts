import { z } from "zod";

// Zod would try to compile its checks with `new Function` as soon as a schema is made, which the content
// security policy refuses and reports: this comes before all schemas.
z.config({ jitless: true });
